"""How a grid of runs is executed, recorded and published, whatever the runs are."""
