"""Methods in which several ids share parameters, by a fixed rule or by what training shows."""

from embedstudy.tables.core.base import Table
from embedstudy.tables.sharing_rows.adapt_emb import AdaptEmb
from embedstudy.tables.sharing_rows.cafe import CAFE
from embedstudy.tables.sharing_rows.cce import CCE
from embedstudy.tables.sharing_rows.dedup import Dedup
from embedstudy.tables.sharing_rows.double_hash import DoubleHash
from embedstudy.tables.sharing_rows.hash import Hash
from embedstudy.tables.sharing_rows.hash_embeddings import HashEmbeddings
from embedstudy.tables.sharing_rows.memcom import MEmCom
from embedstudy.tables.sharing_rows.qr import QR
from embedstudy.tables.sharing_rows.robe import ROBE
from embedstudy.tables.sharing_rows.unified import Unified

FIXED = (Hash, DoubleHash, HashEmbeddings, QR, MEmCom, ROBE, Unified, AdaptEmb)
LEARNED = (Dedup, CCE, CAFE)
METHODS: dict[str, type[Table]] = {table.method: table for table in (*FIXED, *LEARNED)}
