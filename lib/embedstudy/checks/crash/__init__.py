"""The study killed at random moments: what a restart makes of it, compared byte by byte."""
