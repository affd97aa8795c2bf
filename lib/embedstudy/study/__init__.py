"""The grid of runs: parameters, training, resuming, evidence."""
