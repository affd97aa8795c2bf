"""Methods that store each number in fewer bits."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.fewer_bits.alpt import ALPT
from embedstudy.tables.fewer_bits.dpq import DPQ
from embedstudy.tables.fewer_bits.half import Half
from embedstudy.tables.fewer_bits.low_precision import LowPrecision
from embedstudy.tables.fewer_bits.mgqe import MGQE
from embedstudy.tables.fewer_bits.pq import PQ
from embedstudy.tables.fewer_bits.rowwise import RowWise

METHODS: dict[str, type[Table]] = {
    table.method: table for table in (Half, RowWise, PQ, LowPrecision, ALPT, DPQ, MGQE)
}
