"""Speed beside the libraries that one would use instead: one file a comparison.

Ours and the peer run by turns in one process, with the same data, sizes and number of threads, so
that what else the machine does falls on both.
"""
