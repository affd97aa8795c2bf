"""The uncompressed table, in a family of its own: every chapter runs it beside its methods."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.reference.full import Full, FullTwoPhases

METHODS: dict[str, type[Table]] = {table.method: table for table in (Full, FullTwoPhases)}
