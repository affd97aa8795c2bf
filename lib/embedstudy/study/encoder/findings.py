"""What chapter 20 says about the encoder: published figures beside ours, BM25, where the bytes are."""

import numpy as np
import polars as pl

from embedstudy.encoders.core.evaluate import encoder_ndcg
from embedstudy.encoders.core.sets import PUBLISHED, Retrieval
from embedstudy.measure.units import POINTS

_CLOSE = 0.1  # points; a reproduction is one within it


def one_query(vectors: dict[str, list[float]], right: str) -> float:
    """nDCG@10 of the text ``query`` where the text ``right`` is the answer, for worked examples.

    ``vectors``: a vector for the query and for each document, by the text.
    """
    documents = [text for text in vectors if text != "query"]
    example = Retrieval(
        pl.DataFrame({"id": documents, "text": documents}),
        pl.DataFrame({"id": ["query"], "text": ["query"]}),
        pl.DataFrame({"query": ["query"], "document": [right], "relevance": [1]}),
    )
    return encoder_ndcg(lambda texts: np.array([vectors[text] for text in texts]), example)[0]


def against_published(rows: pl.DataFrame) -> pl.DataFrame:
    """The encoder's figure of each published benchmark that was run.

    Columns: dataset, published, quality, difference. ``rows``: one a run and task.
    """
    known = pl.DataFrame(
        {"dataset": list(PUBLISHED), "published": list(PUBLISHED.values())},
    ).with_columns(pl.col("dataset").replace("SciFact", "scifact"))
    ours = rows.filter(pl.col("method") == "full").select("dataset", "quality")
    joined = known.join(ours, on="dataset", how="inner", maintain_order="left")
    return joined.with_columns(difference=pl.col("quality") - pl.col("published"))


def bytes_by_part(rows: pl.DataFrame) -> pl.DataFrame:
    """Where the encoder's bytes are. Columns: part, bytes, share."""
    full = rows.filter(pl.col("method") == "full").row(0, named=True)
    parts = {n.removeprefix("bytes."): v for n, v in full.items() if n.startswith("bytes.") and v}
    frame = pl.DataFrame({"part": list(parts), "bytes": list(parts.values())})
    return frame.with_columns(share=pl.col("bytes") / pl.col("bytes").sum())


def findings(published: pl.DataFrame, lexical: pl.DataFrame, parts: pl.DataFrame) -> list[str]:
    """The chapter in sentences. ``lexical``: BM25 against the encoder, a line a task."""
    said = []
    if published.is_empty():
        said.append("None of the sets with published figures is prepared, so none is checked.")
    else:
        far = published.filter(pl.col("difference").abs() > _CLOSE)["dataset"].to_list()
        worst = published["difference"].abs().max()
        said.append(
            f"{len(published) - len(far)} of {len(published)} published figures come out within "
            f"{_CLOSE} points (largest difference {worst:.2f})"
            + (f"; {', '.join(far)} does not." if far else ".")
        )
    for line in lexical.to_dicts():
        low, high = line["low"], line["high"]
        word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
        said.append(
            f"{line['dataset']}: BM25 is {word} the encoder ({POINTS.signed(line['delta'])} points "
            f"of nDCG@10, 95 % interval {POINTS.signed(low)} to {POINTS.signed(high)})."
        )
    largest = parts.sort("bytes", descending=True).row(0, named=True)
    said.append(
        f"The {largest['part']} takes {largest['share']:.1%} of the encoder's bytes, more than any "
        "other part."
    )
    return said
