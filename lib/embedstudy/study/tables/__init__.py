"""The study of embedding tables: data, training, grid, run, what the rows say."""
