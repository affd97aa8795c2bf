"""Methods in which several ids share parameters, by a rule that is fixed before training."""

from embedstudy.tables.base import Table
from embedstudy.tables.sharing_rows.adapt_emb import AdaptEmb
from embedstudy.tables.sharing_rows.double_hash import DoubleHash
from embedstudy.tables.sharing_rows.hash import Hash
from embedstudy.tables.sharing_rows.hash_embeddings import HashEmbeddings
from embedstudy.tables.sharing_rows.memcom import MEmCom
from embedstudy.tables.sharing_rows.qr import QR
from embedstudy.tables.sharing_rows.robe import ROBE
from embedstudy.tables.sharing_rows.unified import Unified

METHODS: dict[str, type[Table]] = {
    table.method: table
    for table in (Hash, DoubleHash, HashEmbeddings, QR, MEmCom, ROBE, Unified, AdaptEmb)
}
