"""The baselines that papers leave out and that often win."""

from embedstudy.tables.baselines.low_rank import LowRank
from embedstudy.tables.baselines.min_count import MinCount
from embedstudy.tables.baselines.small_dim import SmallDim
from embedstudy.tables.core.base import Table

METHODS: dict[str, type[Table]] = {table.method: table for table in (SmallDim, LowRank, MinCount)}
