"""The contract of a compressed table, and what several families build on."""
