"""The methods of chapter 21 by name: what trains the encoder, if anything does."""

from collections.abc import Callable, Sequence

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import Matryoshka2dLoss, MatryoshkaLoss
from torch import nn

from embedstudy.encoders import matryoshka
from embedstudy.encoders.matryoshka.submodels import Size

UNTRAINED = ("full", "truncate", "centred", "random_dims", "pca", "map")
# Models of another method's training, cut by a rule of their own.
RECUT = {"plain_centred": "plain", "plain_pca": "plain"}


def dims(sizes: Sequence[Size]) -> list[int]:
    """The widths of the sizes, the full one first, as the library wants them."""
    return sorted({dim for _, dim in sizes}, reverse=True)


def _product(sizes: Sequence[Size]) -> list[Size]:
    """Every depth with every width, the full model left out."""
    pairs = [(depth, dim) for depth in sorted({n for n, _ in sizes}) for dim in dims(sizes)]
    return [pair for pair in pairs if pair != max(sizes)]


def _smaller(sizes: Sequence[Size]) -> list[Size]:
    """The sizes as they are listed, the full model left out."""
    return [size for size in sizes if size != max(sizes)]


def _middle(sizes: Sequence[Size]) -> int:
    """The width of the middle size: what ESE, which trains one width, is given."""
    return sorted(dim for _, dim in sizes)[(len(sizes) - 1) // 2]


# name -> loss of a model, a base loss and the sizes to be trained
LOSSES: dict[str, Callable[[SentenceTransformer, nn.Module, list[Size]], nn.Module]] = {
    "plain": lambda model, base, sizes: base,
    "mrl": lambda model, base, sizes: MatryoshkaLoss(model, base, dims(sizes)),
    "2dmse": lambda model, base, sizes: Matryoshka2dLoss(model, base, dims(sizes)),
    "2dmse_blocks": lambda model, base, sizes: matryoshka.BlocksMatryoshka2dLoss(
        model, base, dims(sizes)
    ),
    "2dmse_old": lambda model, base, sizes: matryoshka.OldMatryoshka2dLoss(
        model, base, dims(sizes), version="5.1.2"
    ),
    "2dmse_old_5_6": lambda model, base, sizes: matryoshka.OldMatryoshka2dLoss(
        model, base, dims(sizes), version="5.6.1"
    ),
    "2dmse_angle": lambda model, base, sizes: matryoshka.AngleMatryoshka2dLoss(
        model, base, dims(sizes)[1:]
    ),
    "2dmse_all": lambda model, base, sizes: matryoshka.PairsLoss(model, base, _product(sizes)),
    "ese": lambda model, base, sizes: matryoshka.EspressoLoss(model, base, k=_middle(sizes)),
    "ese_released": lambda model, base, sizes: matryoshka.EspressoLoss(
        model, base, k=_middle(sizes), released=True
    ),
    "srl": lambda model, base, sizes: matryoshka.StarbucksLoss(model, base, _smaller(sizes)),
    "srl_released": lambda model, base, sizes: matryoshka.StarbucksLoss(
        model, base, _smaller(sizes), released=True
    ),
    "srl_no_kl": lambda model, base, sizes: matryoshka.StarbucksLoss(
        model, base, _smaller(sizes), kl="none"
    ),
    "smae_srl": lambda model, base, sizes: matryoshka.StarbucksLoss(model, base, _smaller(sizes)),
    "random_pairs": lambda model, base, sizes: matryoshka.RandomPairsLoss(
        model, base, _product(sizes)
    ),
    "separate": lambda model, base, sizes: base,
}
METHODS = (*UNTRAINED, *LOSSES, *RECUT)


def training_of(method: str) -> str | None:
    """The name in ``LOSSES`` of what trains a method's model; None if nothing does."""
    return None if method in UNTRAINED else RECUT.get(method, method)
