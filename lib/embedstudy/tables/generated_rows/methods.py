"""Methods that compute rows from a few parameters instead of storing them."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.generated_rows.dhe import DHE
from embedstudy.tables.generated_rows.svd import SVD
from embedstudy.tables.generated_rows.tt_rec import TTRec

METHODS: dict[str, type[Table]] = {table.method: table for table in (SVD, TTRec, DHE)}
