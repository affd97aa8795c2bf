"""What rows prove: comparisons, claims, frontier, needs."""
