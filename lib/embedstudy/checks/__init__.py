"""The study against published figures, other libraries and plain loops."""
