"""The study of vector codes: grid, run, what the rows say."""
