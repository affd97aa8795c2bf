"""Methods that keep fewer numbers of the table."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.fewer_nonzeros.autosrh import AutoSrhSparse
from embedstudy.tables.fewer_nonzeros.deeplight import DeepLight
from embedstudy.tables.fewer_nonzeros.magnitude import Magnitude
from embedstudy.tables.fewer_nonzeros.optembed_e import OptEmbedE
from embedstudy.tables.fewer_nonzeros.pep import PEP

METHODS: dict[str, type[Table]] = {
    table.method: table for table in (Magnitude, DeepLight, PEP, AutoSrhSparse, OptEmbedE)
}
