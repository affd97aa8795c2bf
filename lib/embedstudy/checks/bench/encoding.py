"""Encoding: batches by tokens beside ``SentenceTransformer.encode`` with its own batches of 32."""

from embedstudy.checks.bench.texts import documents
from embedstudy.checks.bench.turns import Peer, Row, beside, unmeasured
from embedstudy.core.errors import StudyError
from embedstudy.encoders.core import pretrained
from embedstudy.encoders.core.encode import encode

PEER = Peer("SentenceTransformer.encode", "sentence-transformers")
_GOAL = 1.4


def compare(repeats: int, small: bool) -> list[Row]:
    """Texts a second, by all-MiniLM-L6-v2."""
    name, texts = documents(20 if small else 400)
    what = f"encode {len(texts)} texts, {name}"
    try:
        encoder = pretrained.minilm()
    except StudyError as error:
        return [unmeasured(what, "texts", PEER, str(error), goal=_GOAL)]
    return [
        beside(
            what, "texts", len(texts),
            lambda: encode(encoder, texts),
            PEER,
            lambda: lambda: encoder.encode(texts, show_progress_bar=False),
            repeats=repeats, goal=_GOAL,
        )
    ]  # fmt: skip
