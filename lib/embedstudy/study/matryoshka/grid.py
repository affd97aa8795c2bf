"""The grid of the chapter on Matryoshka training, as data: one run a loss, seed and size."""

from embedstudy.encoders.matryoshka.submodels import Size
from embedstudy.study.matryoshka.settings import MatryoshkaSettings
from embedstudy.study.matryoshka.types import MatryoshkaRun

FAMILY = "matryoshka"
# At full size these are the encoder or the plainly trained one, but for a mean or a rotation.
_SMALLER_ONLY = (
    "separate", "truncate", "centred", "random_dims", "pca", "map", "plain_centred", "plain_pca"
)  # fmt: skip

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


def matryoshka_runs(labels: dict[str, str], settings: MatryoshkaSettings) -> list[MatryoshkaRun]:
    """The uncompressed encoder, then every method (``labels`` maps it to its name) at every size.

    Sizes vary slowest, so that runs side by side train different losses instead of waiting for one.
    A separately trained model of the full size is the plainly trained one, and is left out.
    """
    sizes = tuple(map(tuple, settings.sizes))
    lines = [("reference", "full", "all-MiniLM-L6-v2", max(sizes), settings.seeds[:1])]
    for size in sorted(map(tuple, settings.judged), reverse=True):
        for method, label in labels.items():
            if size != max(sizes) or method not in _SMALLER_ONLY:
                lines.append((FAMILY, method, label, size, settings.seeds))
    return [
        MatryoshkaRun(
            backbone="all-MiniLM-L6-v2",
            family=family,
            method=method,
            label=label,
            budget=size_budget(size),
            seed=seed,
            size=size,
            sizes=sizes,
            tasks=settings.tasks,
            train=settings.train,
            length=settings.length,
        )
        for family, method, label, size, seeds in lines
        for seed in seeds
    ]
