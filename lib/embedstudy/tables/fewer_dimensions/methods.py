"""Methods that give rows, fields or frequencies fewer dimensions."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.fewer_dimensions.autodim import AutoDim
from embedstudy.tables.fewer_dimensions.autosrh import AutoSrh
from embedstudy.tables.fewer_dimensions.dnis import DNIS
from embedstudy.tables.fewer_dimensions.mde import MDE
from embedstudy.tables.fewer_dimensions.optembed import OptEmbed

METHODS: dict[str, type[Table]] = {
    table.method: table for table in (MDE, AutoDim, DNIS, AutoSrh, OptEmbed)
}
