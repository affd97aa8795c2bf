"""Hostile input: valid files, mutated, for whatever reads a file. The result is right or one sentence."""
