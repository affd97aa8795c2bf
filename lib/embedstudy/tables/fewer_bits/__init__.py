"""Methods that store each number in fewer bits."""

from embedstudy.tables.base import Table
from embedstudy.tables.fewer_bits.half import Half
from embedstudy.tables.fewer_bits.pq import PQ
from embedstudy.tables.fewer_bits.rowwise import RowWise

METHODS: dict[str, type[Table]] = {table.method: table for table in (Half, RowWise, PQ)}
