"""The study of the uncompressed encoder: run, vectors, what the rows say."""
