"""The study of an encoder's word table: grid, run, what the rows say."""
