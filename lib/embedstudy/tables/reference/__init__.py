"""The uncompressed table, in a family of its own: every chapter runs it beside its methods."""
