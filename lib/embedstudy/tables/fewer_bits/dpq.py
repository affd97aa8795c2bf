"""DPQ: product-quantised rows whose codes and codebooks are learned end to end.

Chen et al., "Differentiable Product Quantization for End-to-End Embedding Compression" (ICML 2020),
equations 3 to 7.
"""

import torch
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.tables.core.artefact import Compact
from embedstudy.tables.core.base import Table, TableSpec, check, lookup, planned_bytes
from embedstudy.tables.core.packing import pack, padded
from embedstudy.tables.fewer_bits.pq import PQ, joined, part_numbers

MODES = ("vq", "sx")
KEY_WIDTH = 4  # the fewest numbers a part in the authors' settings
_MOMENTUM = 0.1  # of the batch norm


class DPQ(Table):
    """A query table Q in training, codes k_p(x) = argmax_k response(Q[x]_p, key_pk) when served.

    mode="vq": the response is minus the squared distance to centroid k, the output the centroid,
    its gradient goes straight through to the query, and the mean squared distance pulls the
    centroids to the (detached) queries. mode="sx": the response is the inner product with a key,
    the output the *value* of the best key, its gradient that of the softmax.

    All fields share the codebooks. The budget buys as many parts as fit with codes of the most bits
    allowed, or of fewer bits where none does. In mode="sx" keys, and the queries that they answer,
    may be wider than the values (``d_in`` and ``d_out`` in the authors' code); they are left behind
    when training ends. Of one column, a normalised inner product ties for all keys of a sign, so
    that two codes of a part are all that is ever used; the authors' settings have 4 columns or
    more, which is the least here (``key_width``). Training holds the query table, the codebooks and
    their moments: more than the full table's training.

    Departures. The authors' code puts a batch norm without scale or shift on the responses of both
    modes. It subtracts each centroid's squared norm again, so that the code is no longer the nearest
    centroid and few of the short ones are ever chosen: here it is in mode="sx" alone. Statistics
    and distance are means over the distinct ids of a batch, not over their occurrences.
    """

    method = "dpq"
    why_less = "longer codes than its options allow are not tried, or the next longer do not fit"
    config_keys = ("parts", "bits", "mode", "key_width")

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        parts: int,
        bits: int,
        mode: str = "vq",
        key_width: int | None = None,
    ):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            parts: P, codes of a row, 1 to ``dim``.
            bits: of a code, 2 to 8: a part has 2^bits centroids.
            mode: "vq" or "sx", see above.
            key_width: columns of a key and of a part of a query; None: those of a centroid.
        """
        super().__init__(field_rows, dim)
        check(self.method, "mode", mode, MODES)
        self.parts, self.bits, self.mode = parts, bits, mode
        width = -(-dim // parts)
        self.key_width = width if key_width is None else key_width
        if mode == "vq" and self.key_width != width:
            raise StudyError(
                f"The keys of dpq with mode='vq' are its centroids, of {width} columns here: leave "
                f"key_width at None instead of {key_width}."
            )
        self.centroids = nn.Parameter(torch.empty(parts, 2**bits, width))
        self.register_parameter("keys", None)
        columns = dim if self.key_width == width else parts * self.key_width
        self.queries = nn.Parameter(torch.empty(sum(field_rows), columns))
        if mode == "sx":
            self.keys = nn.Parameter(torch.empty(parts, 2**bits, self.key_width))
            self.register_buffer("mean", torch.zeros(parts, 1, 2**bits))
            self.register_buffer("var", torch.ones(parts, 1, 2**bits))
        # Of one column, normalised responses tie for all keys of a sign; epsilon tells them apart.
        # Of more, it would let the longest keys win as long as queries are short.
        self.epsilon = 1e-5 if self.key_width == 1 else 1e-20
        self._distance: Tensor | None = None

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        mode: str = "vq",
        bits: int = 5,
        width: int = 1,
        key_width: int = KEY_WIDTH,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            mode: "vq" or "sx", see the class.
            bits: of a code at most, 2 to 8; 5 are 32 centroids a part.
            width: columns of a part at least, 1 to ``spec.dim``.
            key_width: columns of a key at least, with mode="sx", 1 to 1,024; a key is never
                narrower than the values of its part.
        """
        check(cls.method, "mode", mode, MODES)
        check(cls.method, "bits", bits, range(2, 9))
        check(cls.method, "width", width, range(1, spec.dim + 1))
        check(cls.method, "key_width", key_width, range(1, 1025))
        parts = [p for p in part_numbers(spec.dim) if -(-spec.dim // p) >= width]
        pairs = [{"parts": p, "bits": b} for p in parts for b in range(2, bits + 1)]
        costs = [planned_bytes(PQ, spec.sizes() | pair | {"rotate": False}) for pair in pairs]
        fitting = [pair for pair, cost in zip(pairs, costs, strict=True) if cost <= budget]
        if not fitting:
            raise InfeasibleBudget(
                f"{cls.method} needs at least {min(costs):,} bytes for this table, the budget is "
                f"{budget:,} bytes."
            )
        best = max(fitting, key=lambda pair: (pair["parts"] * pair["bits"], pair["bits"]))
        columns = -(-spec.dim // best["parts"])
        keys = max(columns, key_width) if mode == "sx" else columns
        return spec.sizes() | best | {"mode": mode, "key_width": keys}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=spec.init_std, generator=rng)
        columns = padded(torch.ones(1, self.dim), self.parts).view(self.parts, 1, -1)
        with torch.no_grad():
            for codebook in (self.centroids, self.keys):
                if codebook is not None and codebook.shape[-1] == columns.shape[-1]:
                    codebook.mul_(columns)  # a column that only fills up has no say in the choice

    # -- training -----------------------------------------------------------------------------------
    def scorer(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """(slopes [parts, width, k], offsets [parts, 1, k]): a response is slope . query + offset."""
        if self.mode == "vq":  # the square of the query is the same for all k
            slopes = 2 * self.centroids.transpose(1, 2)
            return slopes, -self.centroids.square().sum(-1).unsqueeze(1)
        slopes, mean, var = self.keys.transpose(1, 2), self.mean, self.var
        if self.training and len(queries) > 1:
            # Responses are linear, so mean and covariance of the queries give theirs.
            parts = split(queries, self.parts)
            centre = parts.mean(1, keepdim=True)
            spread = parts - centre
            covariance = spread.transpose(1, 2) @ spread / len(queries)
            mean, var = centre @ slopes, (slopes * (covariance @ slopes)).sum(1, keepdim=True)
            self.mean.lerp_(mean.detach(), _MOMENTUM)
            self.var.lerp_(var.detach() * (len(queries) / (len(queries) - 1)), _MOMENTUM)
        scale = (var + self.epsilon).rsqrt()
        return slopes * scale, -mean * scale

    def nearest(self, queries: Tensor, ids: Tensor) -> Tensor:
        """The codes of queries [n, d], those of the distinct ``ids``: int64 [n, parts]."""
        return best(responses(queries, *self.scorer(queries))).T

    def chosen(self, codes: Tensor) -> Tensor:
        """Centroids of codes [n, parts], joined: [n, d]."""
        return joined(self.centroids, codes)[:, : self.dim]

    def forward(self, ids: Tensor) -> Tensor:
        if not ids.numel():
            return self.queries.new_zeros(*ids.shape, self.dim)
        distinct, inverse = ids.unique(return_inverse=True)
        queries = lookup(self.queries, distinct)
        if self.training and self.mode == "sx":
            return lookup(self.through_softmax(queries), inverse)
        with torch.no_grad():
            codes = self.nearest(queries, distinct)
        vectors = self.chosen(codes)
        if self.training:
            self._distance = (vectors - queries.detach()).square().mean()
            vectors = vectors.detach() + (queries - queries.detach())
        return lookup(vectors, inverse)

    def through_softmax(self, queries: Tensor) -> Tensor:
        """The chosen values, with the gradient of the softmax-weighted mean of all: [n, d]."""
        answers = responses(queries, *self.scorer(queries))
        values = BestValue.apply(softmax(answers), best(answers.detach()), self.centroids)
        return values.transpose(0, 1).flatten(1)[:, : self.dim]

    def penalty(self) -> Tensor | None:
        distance, self._distance = self._distance, None
        return distance

    # -- serving ------------------------------------------------------------------------------------
    @torch.no_grad()
    def codes(self) -> Tensor:
        """The code of every id, by the running statistics: int64 [rows, parts]."""
        training = self.training
        self.eval()
        ids = torch.arange(len(self.queries), device=self.queries.device)
        codes = [self.nearest(self.queries[rows], rows) for rows in ids.split(8192)]
        self.train(training)
        return torch.cat(codes)

    def compact(self) -> Compact:
        return self.coded().compact()

    def recipe(self, trainer) -> None:
        trainer.fit()
        trainer.use(self.coded())

    @torch.no_grad()
    def coded(self) -> Table:
        """The table that is served: codes and centroids alone."""
        table = PQ(self.field_rows, self.dim, self.parts, self.bits, rotate=False)
        table.codes.copy_(pack(self.codes(), self.bits))
        table.centroids.copy_(self.centroids)
        return table


def softmax(answers: Tensor) -> Tensor:
    """Over the last axis, [parts, n, k]; along one of few entries torch is many times slower."""
    if answers.shape[-1] >= 16:
        return answers.softmax(-1)
    return answers.transpose(1, 2).softmax(1).transpose(1, 2)


class BestValue(torch.autograd.Function):
    """The value of the best key of each part, with the gradient of the softmax-weighted mean.

    What ``(hard + soft - soft.detach()) @ values`` gives, ``hard`` being one-hot, to the same bits;
    but the value is read where it stands, not by a product with all that are not chosen.
    """

    @staticmethod
    def forward(ctx, soft: Tensor, codes: Tensor, values: Tensor) -> Tensor:
        """[parts, n, k], int64 [parts, n], [parts, k, width] -> [parts, n, width]."""
        ctx.save_for_backward(soft, codes, values)
        return values.gather(1, codes.unsqueeze(-1).expand(-1, -1, values.shape[-1]))

    @staticmethod
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, Tensor]:
        soft, codes, values = ctx.saved_tensors
        hard = torch.zeros_like(soft).scatter_(-1, codes.unsqueeze(-1), 1.0)
        return upstream @ values.transpose(1, 2), None, hard.transpose(1, 2) @ upstream


def best(answers: Tensor) -> Tensor:
    """Which centroid answers best, the first of equals: [..., k] -> int64 [...]."""
    return answers.max(-1).indices  # argmax gives the same index and takes longer on a CPU


def responses(queries: Tensor, slopes: Tensor, offsets: Tensor) -> Tensor:
    """How well each centroid answers: queries [n, d] -> [parts, n, k]."""
    return torch.baddbmm(offsets, split(queries, len(slopes)), slopes)


def split(rows: Tensor, parts: int) -> Tensor:
    """Rows [n, d], filled up with zeros, in parts: [parts, n, width]."""
    width = -(-rows.shape[1] // parts)
    return padded(rows, parts).view(len(rows), parts, width).transpose(0, 1)
