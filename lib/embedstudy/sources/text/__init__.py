"""The sets of texts, one module each: what it is, where it is had, how it is split and judged.

A module here declares ``SETS``, a tuple of ``sources.core.text_sets.TextSet``; that alone makes each a task
of the study and, where its files are published, a name of ``python -m embedstudy.sources.official``.
"""
