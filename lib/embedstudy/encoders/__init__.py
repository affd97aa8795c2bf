"""Text encoders: loading, encoding, evaluation and smaller stand-ins."""
