"""BEBR, a learned recurrent binariser: codes of documents against codes of queries."""

from collections.abc import Iterator
from itertools import islice
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from embedstudy.codes.base import Codec, check_count, sample
from embedstudy.codes.binary import signs
from embedstudy.codes.recurrent import WindowedSign, weighed
from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator, numpy_generator
from embedstudy.measure import retrieval
from embedstudy.measure.vectors import unit

_SAMPLE = 20_000  # pairs to train on at most, as each vector is compared with every other
_TEMPERATURE, _HARD = 0.05, 5  # of the cosines; negatives that count
_MOMENTUM, _DECAY, _CLIP = 0.9, 1e-3, 5.0
_WINDOW = 1.0  # of the values that gradients pass


class BEBR(Codec):
    """b = b_0 + 2^-1 b_1 + ... + 2^-(T-1) b_(T-1), each b_t in {-1, +1}^m, compared by cosine.

    Gan et al., "Binary Embedding-based Retrieval at Tencent" (KDD 2023), after the public code,
    github.com/ganyk/BEBR with ``configs/bebr.yaml``:
    ``b_0 = sign(W(x))`` and ``b_t = sign(R_t(x - f_t))``, f_t being ``B_t(b_0 + ... )`` scaled to
    length 1. W, B_t and R_t are each linear, batch normalisation, ReLU, linear, 2,048 wide. A vector
    takes T x m bits; T is ``levels``, m is ``width``. Queries are coded as documents are, so all maps
    are counted as codebook: 14 MB at 384 dimensions and 2 x 192 bits.

    Training, as there: pairs of vectors; cosines of codes of the one side with those of the other,
    divided by .05; for each, cross-entropy of its partner against the 5 hardest of the others, both
    ways; pairs that share a vector are not each other's negatives. SGD with Nesterov's momentum .9 and
    weight decay .001 on matrices, gradients clipped to length 5, a tenth of the rate after 60 % of the
    steps; the sign passes gradients where a value is within 1 of zero.

    Departures. The public code pairs images with their captions. ``fit`` takes ``partners`` in that
    manner; without them a vector's partner is its nearest neighbour among the training vectors, so
    that nothing is known here that other codecs do not know. The public code takes ten epochs in
    batches of 2,048 pairs, of which a few thousand vectors fill none; ``steps`` and ``batch`` say what
    is done here. A value of exactly zero is coded as -1, which has no code of its own in one bit.

    Args:
        width: m, bits of a level.
        levels: T, binary vectors a code.
        hidden: width of the maps.
        steps: of training, each on one batch.
        batch: pairs a step; all there are where they are fewer.
        lr: learning rate of the first 60 % of the steps.
    """

    method = "bebr"
    symmetric = True
    slow_to_fit = True

    def __init__(
        self,
        width: int,
        levels: int = 2,
        *,
        hidden: int = 2048,
        steps: int = 300,
        batch: int = 256,
        lr: float = 0.08,
    ):
        super().__init__()
        options = {"width": width, "levels": levels, "hidden": hidden, "steps": steps}
        for what, value in options.items():
            check_count(self.method, what, value)
        check_count(self.method, "batch", batch, least=2)
        self.width, self.levels, self.hidden = width, levels, hidden
        self.steps, self.batch, self.lr = steps, batch, lr
        self._partners: np.ndarray | None = None

    @property
    def random(self) -> bool:
        return True

    def _name(self) -> str:
        return f"{self.method}{self.levels}"

    def code_bytes(self, dim: int) -> int:
        return -(-self.levels * self.width // 8)

    def fit(self, train: np.ndarray, seed: int = 0, partners: np.ndarray | None = None) -> Self:
        """Learn from training vectors, as every codec does; here they are pairs.

        Args:
            train: float [n, d], n at least 2.
            seed: of the maps at the start and of the batches.
            partners: float [n, d]: of each training vector one that is to be found by it, such as its
                query's; its nearest neighbour in ``train`` where None.
        """
        if partners is not None and np.shape(partners) != np.shape(train):
            raise StudyError(
                f"{self.name}: {np.shape(train)} training vectors have {np.shape(partners)} partners: "
                "give one for each."
            )
        self._partners = partners
        try:
            return super().fit(train, seed)
        finally:
            self._partners = None

    def _fit(self, train: np.ndarray, seed: int) -> None:
        if len(train) < 2:
            raise StudyError(f"{self.name} learns from pairs: give at least 2 training vectors.")
        rows = sample(np.arange(len(train)), _SAMPLE, numpy_generator(seed, "bebr", "sample"))
        first = train[rows]
        if self._partners is None:
            second = first[_nearest(first)]
        else:
            second = np.ascontiguousarray(self._partners, dtype=np.float32)[rows]
        network = self._network()
        network.start(generator(seed, "bebr", "weights"))
        _train(network, first, second, self, seed)
        self.codebooks = {
            name: np.ascontiguousarray(value.numpy())
            for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }

    def _network(self) -> "Network":
        return Network(self.dim, self.width, self.levels, self.hidden)

    @torch.no_grad()
    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        if not len(vectors):
            return np.empty((0, self.code_bytes(self.dim)), np.uint8)
        network = self._network().eval()
        tensors = {name: torch.from_numpy(value) for name, value in self.codebooks.items()}
        network.load_state_dict(tensors, strict=False)  # the number of batches is not kept
        parts = torch.from_numpy(vectors).split(8192)
        coded = torch.cat([torch.cat(network.signs(part), 1) for part in parts])
        return np.packbits(coded.numpy() > 0, axis=1)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        raise StudyError("bebr compares codes with codes: they have no decoded form.")

    def score(self, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """float32 [queries, n]: the cosine of the query's b with the document's."""
        return self._cosines(self.encode(queries), codes)

    def search(self, queries: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
        return retrieval.search(self._cosines, self.encode(queries), codes, k)

    def _cosines(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """float32 [queries, documents] of codes uint8 [n, bytes] of either."""
        return unit(self._weighed(queries)) @ unit(self._weighed(documents)).T

    def _weighed(self, codes: np.ndarray) -> np.ndarray:
        """b, float32 [n, width], of codes."""
        bits = signs(codes, self.levels * self.width)
        return weighed(np.split(bits, self.levels, axis=1))


class Network(nn.Module):
    """The maps W, B_t and R_t of ``BEBR``."""

    def __init__(self, dim: int, width: int, levels: int, hidden: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # ``start`` draws them anew
            self.first = _map(dim, width, hidden)
            self.back = nn.ModuleList(_map(width, dim, hidden) for _ in range(levels - 1))
            self.rest = nn.ModuleList(_map(dim, width, hidden) for _ in range(levels - 1))

    def start(self, rng: torch.Generator) -> None:
        """Weights by Glorot's normal rule, no bias."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, generator=rng)
                nn.init.zeros_(module.bias)

    def signs(self, vectors: Tensor) -> list[Tensor]:
        """The levels' signs, -1 and +1, each [n, width]."""
        levels = [WindowedSign.apply(self.first(vectors), _WINDOW)]
        for back, rest in zip(self.back, self.rest, strict=True):
            said = nn.functional.normalize(back(weighed(levels)))
            levels.append(WindowedSign.apply(rest(vectors - said), _WINDOW))
        return levels


def _map(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """The row of the vector nearest to each, itself left out, by inner product: int64 [n]."""
    two = retrieval.search(retrieval.inner_product, vectors, vectors, 2)
    itself = two[:, 0] == np.arange(len(vectors))
    return np.where(itself, two[:, 1], two[:, 0])


def _train(network: Network, first: np.ndarray, second: np.ndarray, codec: BEBR, seed: int) -> None:
    names = _names(first, second)
    first, second = torch.from_numpy(first), torch.from_numpy(second)
    optimizer = torch.optim.SGD(_groups(network), lr=codec.lr, momentum=_MOMENTUM, nesterov=True)
    fall = max(1, round(0.6 * codec.steps))
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [fall], gamma=0.1)
    network.train()
    for rows in islice(_batches(len(first), codec, seed), codec.steps):
        codes = weighed(network.signs(torch.cat([first[rows], second[rows]])))
        loss = contrast(*codes.split(len(rows)), _share(names[:, rows]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        schedule.step()


def _groups(network: Network) -> list[dict]:
    """Matrices decay; biases and what batch normalisation learns do not."""
    matrices = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() == 1]
    return [{"params": matrices, "weight_decay": _DECAY}, {"params": others}]


def _batches(pairs: int, codec: BEBR, seed: int) -> Iterator[Tensor]:
    """Rows of full batches, epoch after epoch, each in an order of its own."""
    rng = generator(seed, "bebr", "batches")
    size = min(codec.batch, pairs)
    while True:
        order = torch.randperm(pairs, generator=rng)
        yield from order[: pairs // size * size].split(size)


def _names(first: np.ndarray, second: np.ndarray) -> Tensor:
    """A number for each distinct vector, int64 [2, n]."""
    _, numbers = np.unique(np.concatenate([first, second]), axis=0, return_inverse=True)
    return torch.from_numpy(numbers.reshape(2, -1))


def _share(names: Tensor) -> Tensor:
    """Do two pairs have a vector in common? bool [n, n], of ``names`` [2, n]."""
    first, second = names
    same = (first[:, None] == first) | (second[:, None] == second)
    crossed = first[:, None] == second
    return same | crossed | crossed.T


def contrast(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """The loss of a batch of pairs of codes [n, width]; ``share``: bool [n, n], see ``_share``."""
    cosines = nn.functional.normalize(first) @ nn.functional.normalize(second).T / _TEMPERATURE
    return _against_hardest(cosines, share) + _against_hardest(cosines.T, share)


def _against_hardest(cosines: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy of each row's diagonal entry against the hardest of the others."""
    others = cosines.masked_fill(share, -1e9)  # a pair shares its vectors with itself
    hardest = others.topk(min(_HARD, len(others) - 1), dim=1).values
    logits = torch.cat([cosines.diagonal()[:, None], hardest], dim=1)
    return nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))
