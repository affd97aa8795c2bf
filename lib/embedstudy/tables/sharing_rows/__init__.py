"""Methods in which several ids share parameters, by a rule that is fixed before training."""

from embedstudy.tables.base import Table
from embedstudy.tables.sharing_rows.hash import Hash

METHODS: dict[str, type[Table]] = {table.method: table for table in (Hash,)}
