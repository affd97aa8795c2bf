"""A linear recurrent binariser: level by level, it codes what the levels before left over.

The recurrence is that of Gan et al., "Binary Embedding-based Retrieval at Tencent" (KDD 2023), whose
method as published is in ``bebr.py``. This one is the study's own: linear maps, float queries.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from embedstudy.codes import shortlist
from embedstudy.codes.base import Codec, check_count, sample
from embedstudy.codes.binary import signs
from embedstudy.codes.rotation import random_rotation
from embedstudy.core.seeding import generator, numpy_generator
from embedstudy.measure import retrieval

_SAMPLE = 10_000  # training vectors that batches are drawn from
_NEAR = 64  # nearest training vectors, among which the members of a group are drawn
_GROUP = 8  # vectors of a batch that lie close together
Signs = TypeVar("Signs", Tensor, np.ndarray)


class Recurrent(Codec):
    """b = b_0 + 2^-1 b_1 + ... + 2^-(T-1) b_(T-1), each b_t in {-1, +1}^m.

    ``b_0 = sign(W_0 x)`` and ``b_t = sign(W_t (x - R_t(b_<t)))``, where R_t maps the sum so far back to
    the embedding space, scaled to length 1. A vector takes T x m bits; T is ``levels``, m is ``width``.

    The score is q . R(b): the query stays a float, and since R is linear that is (R^T q) . b, a sum of
    T binary inner products. Decoded vectors have the right length on average, not length 1 each.

    Training: Adam on batches made of groups of training vectors that lie close together. The loss is
    the cross-entropy, for each x_i, between two softmaxes over the other members j of the batch: of the
    cosines x_i . x_j and of the scores x_i . R(b_j), both divided by ``temperature``. The sign passes
    gradients straight through where |W x| < 1 / sqrt(d), the size of an entry of a unit vector, and none
    elsewhere.

    What it shares with BEBR is the recurrence and the temperature. W and R are linear, where BEBR's
    are networks 2,048 wide with batch normalisation; queries are floats, where BEBR compares codes with
    codes; the softmax target is soft, where BEBR's loss knows one partner a vector and its five hardest
    negatives; the window of the sign is narrower, as values are not normalised. W_t starts as a random
    rotation of the first m principal directions, R_t as its transpose. From there 300 steps gain at few
    bits and nothing at many, so ``steps=0`` is a control worth a run.

    Args:
        width: m, bits of a level.
        levels: T, binary vectors a code.
        steps: of training, each on one batch; 0 trains nothing.
        batch: training vectors a step.
        lr: learning rate of Adam at the first step; it falls in a line to a twentieth.
        temperature: what cosines and scores are divided by before the softmax.
    """

    method = "recurrent"
    slow_to_fit = True

    def __init__(
        self,
        width: int,
        levels: int = 2,
        *,
        steps: int = 300,
        batch: int = 256,
        lr: float = 1e-4,
        temperature: float = 0.05,
    ):
        super().__init__()
        for what, value in (("width", width), ("levels", levels), ("batch", batch)):
            check_count(self.method, what, value)
        check_count(self.method, "steps", steps, least=0)
        self.width, self.levels, self.steps, self.batch = width, levels, steps, batch
        self.lr, self.temperature = lr, temperature

    @property
    def random(self) -> bool:
        return True

    def _name(self) -> str:
        return f"recurrent{self.levels}" + ("-untrained" if self.steps == 0 else "")

    def code_bytes(self, dim: int) -> int:
        return -(-self.levels * self.width // 8)

    def _fit(self, train: np.ndarray, seed: int) -> None:
        model = Binariser(self.dim, self.width, self.levels)
        model.start_from(_start(train, self.width, seed))
        vectors = sample(train, _SAMPLE, numpy_generator(seed, "recurrent", "sample"))
        model.scale_to(torch.from_numpy(vectors))
        if self.steps:
            _train(model, vectors, self, seed)
            model.scale_to(torch.from_numpy(vectors))
        self.codebooks = {
            name: np.ascontiguousarray(value.detach().numpy())
            for name, value in model.state_dict().items()
        }

    def _model(self) -> "Binariser":
        model = Binariser(self.dim, self.width, self.levels)
        model.load_state_dict({k: torch.from_numpy(v) for k, v in self.codebooks.items()})
        return model

    @torch.no_grad()
    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        model = self._model()
        signs = [torch.cat(model.signs(part), 1) for part in torch.from_numpy(vectors).split(8192)]
        if not signs:
            return np.empty((0, self.code_bytes(self.dim)), np.uint8)
        return np.packbits(torch.cat(signs).numpy() > 0, axis=1)

    @torch.no_grad()
    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self._model().decoded(self._levels(codes)).numpy()

    def _levels(self, codes: np.ndarray) -> tuple[Tensor, ...]:
        """The signs of each level, float32 [n, width]."""
        return torch.from_numpy(signs(codes, self.levels * self.width)).split(self.width, 1)

    @torch.no_grad()
    def _shortlist(self, queries: np.ndarray, codes: np.ndarray, count: int) -> shortlist.Shortlist:
        """By (R^T q) . b: the query is turned, not every document turned back."""
        model = self._model()
        turned = queries @ model.up[-1].numpy().T

        def score(turned: np.ndarray, codes: np.ndarray) -> np.ndarray:
            return turned @ weighed(self._levels(codes)).numpy().T

        error = shortlist.rounding(queries, self._longest(codes))
        return shortlist.by_score(score, turned, codes, count, error)


class Binariser(nn.Module):
    """The maps W_t and R_t of ``Recurrent``."""

    def __init__(self, dim: int, width: int, levels: int):
        super().__init__()
        self.down = nn.ParameterList(torch.zeros(dim, width) for _ in range(levels))
        # up[t] reads the sum of the first t + 1 levels; the last one decodes.
        self.up = nn.ParameterList(torch.zeros(width, dim) for _ in range(levels))

    @torch.no_grad()
    def start_from(self, matrix: Tensor) -> None:
        """Every level projects by ``matrix`` [d, m] and decodes by its transpose."""
        for down, up in zip(self.down, self.up, strict=True):
            down.copy_(matrix)
            up.copy_(matrix.T)

    @torch.no_grad()
    def scale_to(self, vectors: Tensor) -> None:
        """Shrink the decoders so that the decoded length is the least-squares one."""
        for level, up in enumerate(self.up):
            decoded = weighed(self.signs(vectors)[: level + 1]) @ up
            up.mul_((decoded * vectors).sum() / decoded.square().sum().clamp(min=1e-12))

    def signs(self, vectors: Tensor) -> list[Tensor]:
        """The levels' signs, -1 and +1, each [n, width]."""
        levels: list[Tensor] = []
        for level, down in enumerate(self.down):
            rest = vectors
            if level:
                rest = vectors - nn.functional.normalize(weighed(levels) @ self.up[level - 1])
            levels.append(WindowedSign.apply(rest @ down, len(down) ** -0.5))
        return levels

    def decoded(self, signs: list[Tensor]) -> Tensor:
        """R(b), the vectors that all levels together stand for."""
        return weighed(signs) @ self.up[-1]


def weighed(levels: Sequence[Signs]) -> Signs:
    """Sum of 2^-t b_t over the levels given, each [n, width], of torch or numpy."""
    return sum(part * 2.0**-level for level, part in enumerate(levels))


class WindowedSign(torch.autograd.Function):
    """Forward -1 or +1 (zero gives -1); backward the identity where |value| < ``window``, else zero."""

    @staticmethod
    def forward(context, values: Tensor, window: float) -> Tensor:
        context.save_for_backward(values)
        context.window = window
        return torch.where(values > 0, 1.0, -1.0)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        (values,) = context.saved_tensors
        return gradient * (values.abs() < context.window), None


def _start(train: np.ndarray, width: int, seed: int) -> Tensor:
    """Random rotations of the first principal directions, not centred: [d, width]."""
    rng = numpy_generator(seed, "recurrent", "weights")
    dim = train.shape[1]
    _, directions = np.linalg.eigh(train.T @ train)
    first = directions[:, ::-1][:, : min(width, dim)]
    blocks = [first @ random_rotation(first.shape[1], rng) for _ in range(-(-width // dim))]
    return torch.from_numpy(np.concatenate(blocks, axis=1)[:, :width]).float()


def _train(model: Binariser, vectors: np.ndarray, codec: Recurrent, seed: int) -> None:
    rng = generator(seed, "recurrent", "batches")
    near = torch.from_numpy(retrieval.search(retrieval.inner_product, vectors, vectors, _NEAR))
    vectors = torch.from_numpy(vectors)
    optimizer = torch.optim.Adam(model.parameters(), lr=codec.lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, max(1, codec.steps))
    for _ in range(codec.steps):
        loss = _loss(model, vectors[_batch(near, codec.batch, rng)], codec.temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _batch(near: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Rows of a batch: groups of vectors that lie close together, drawn at random."""
    groups = torch.randint(len(near), (-(-size // _GROUP), 1), generator=rng)
    members = torch.randint(near.shape[1], (len(groups), _GROUP), generator=rng)
    return near[groups, members].flatten()[:size]


def _loss(model: Binariser, vectors: Tensor, temperature: float) -> Tensor:
    decoded = model.decoded(model.signs(vectors))
    itself = torch.eye(len(vectors), dtype=torch.bool)
    cosines = (vectors @ vectors.T / temperature).masked_fill(itself, -1e9)
    scores = (vectors @ decoded.T / temperature).masked_fill(itself, -1e9)
    return nn.functional.cross_entropy(scores, cosines.softmax(dim=1))
