"""Encoders as they are: loading, encoding, caching, judging."""
