"""The grid of the chapter on Matryoshka training, as data: one dict a loss, seed and size."""

from embedstudy.encoders.matryoshka.submodels import Size

_WHOLE = 22_713_216  # parameters of all-MiniLM-L6-v2
_BLOCK = 1_774_464  # of one of its six blocks
_WIDTH, _LAYERS = 384, 6


def size_budget(size: Size) -> float:
    """Parameters of the sub-model of (layers, dim), its projection included, as a share of the whole,
    to four digits.

    >>> size_budget((6, 384)), size_budget((2, 96))
    (1.0, 0.6891)
    """
    depth, dim = size
    projection = _WIDTH * dim if dim < _WIDTH else 0
    return round((_WHOLE - (_LAYERS - depth) * _BLOCK + projection) / _WHOLE, 4)


def matryoshka_runs(
    labels: dict[str, str],
    *,
    sizes: list[Size],
    judged: list[Size],
    seeds: list[int],
    tasks: dict[str, dict],
    train: dict,
    length: int,
) -> list[dict]:
    """The uncompressed encoder, then every method (``labels`` maps it to its name) at every size.

    ``sizes`` are those that losses train, ``judged`` those whose quality is measured, the full one
    among them. Sizes vary slowest, so that runs
    side by side train different losses instead of waiting for one. A separately trained model of the
    full size is the plainly trained one, and is left out.
    """
    whole = tuple(max(map(tuple, sizes)))
    lines = [("reference", "full", "all-MiniLM-L6-v2", whole, seeds[:1])]
    for size in sorted(map(tuple, judged), reverse=True):
        for method, label in labels.items():
            if size != whole or method not in ("separate", "truncate", "random_dims", "pca"):
                lines.append(("encoders_matryoshka", method, label, size, seeds))
    return [
        {
            "place": "encoders",
            "backbone": "all-MiniLM-L6-v2",
            "family": family,
            "method": method,
            "label": label,
            "options": {},
            "budget": size_budget(size),
            "seed": seed,
            "size": list(size),
            "sizes": [list(one) for one in sizes],
            "tasks": tasks,
            "train": train,
            "length": length,
        }
        for family, method, label, size, of in lines
        for seed in of
    ]
