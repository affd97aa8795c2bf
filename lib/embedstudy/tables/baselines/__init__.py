"""The baselines that papers leave out and that often win."""
