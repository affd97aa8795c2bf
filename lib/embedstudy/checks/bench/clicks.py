"""What training runs on: prepared clicks of the study, else seeded ones of the same shape."""

import numpy as np
import torch

from embedstudy.core.seeding import numpy_generator
from embedstudy.study.tables.data import CtrData, Split, is_prepared, load_ctr

_FIELDS = {
    "user": 944, "item": 1513, "age": 8, "gender": 3, "occupation": 22, "zip": 383, "genres": 215,
    "hour": 25, "weekday": 8,
}  # fmt: skip  # MovieLens-100K as it is prepared
_EVENTS, _SMALL_EVENTS = (80_000, 10_000, 10_000), (2_000, 500, 500)


def clicks(small: bool) -> CtrData:
    """MovieLens-100K if it is prepared, else random clicks of its shape; few of them if ``small``."""
    if is_prepared("movielens") and not small:
        return load_ctr("movielens")
    return _random_clicks(_SMALL_EVENTS if small else _EVENTS)


def _random_clicks(events: tuple[int, int, int]) -> CtrData:
    rng = numpy_generator(0, "bench", "clicks")
    rows = tuple(_FIELDS.values())
    columns = [np.minimum(rng.geometric(min(0.5, 8 / n), sum(events)), n) - 1 for n in rows]
    ids = torch.from_numpy(np.stack(columns, 1) + np.cumsum([0, *rows[:-1]]))
    labels = torch.from_numpy(rng.integers(0, 2, sum(events)).astype(np.float32))
    unseen = torch.zeros(sum(events), dtype=torch.bool)
    splits = map(Split, ids.split(events), labels.split(events), unseen.split(events))
    counts = torch.bincount(ids[: events[0]].flatten(), minlength=sum(rows))
    return CtrData("random clicks", tuple(_FIELDS), rows, counts, *splits)
