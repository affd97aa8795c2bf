"""The study of Matryoshka training: data, grid, run, what the rows say."""
