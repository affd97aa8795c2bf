"""DPQ: product-quantised rows whose codes and codebooks are learned end to end.

Chen et al., "Differentiable Product Quantization for End-to-End Embedding Compression" (ICML 2020),
equations 3 to 7.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.tables.base import Table, TableSpec, check, lookup
from embedstudy.tables.fewer_bits.pq import PQ, largest_code
from embedstudy.tables.packing import pack, padded

MODES = ("vq", "sx")


class DPQ(Table):
    """A query table Q in training, codes k_p(x) = argmax_k response(Q[x]_p, key_pk) when served.

    mode="vq": the response is minus the squared distance to centroid k, the output the centroid,
    its gradient goes straight through to the query, and the mean squared distance pulls the
    centroids to the (detached) queries. mode="sx": the response is the inner product with a key,
    the output the *value* of the best key, its gradient that of the softmax.

    Responses pass through a batch norm without scale or shift, as in the authors' code, against
    unused codes. All fields share the codebooks. The budget buys as many parts as fit with codes of
    ``bits`` bits (32 centroids), or of fewer bits where none does. Training holds the full query
    table, the codebooks and their moments: more than the full table's training.
    """

    method = "dpq"

    def __init__(self, field_rows: list[int], dim: int, parts: int, bits: int, mode: str = "vq"):
        super().__init__(field_rows, dim)
        check(self.method, "mode", mode, MODES)
        self.parts, self.bits, self.mode = parts, bits, mode
        shape = (parts, 2**bits, -(-dim // parts))
        self.queries = nn.Parameter(torch.empty(sum(field_rows), dim))
        self.centroids = nn.Parameter(torch.empty(shape))
        self.register_parameter("keys", nn.Parameter(torch.empty(shape)) if mode == "sx" else None)
        self.register_buffer("mean", torch.zeros(parts * 2**bits))
        self.register_buffer("var", torch.ones(parts * 2**bits))
        self._distance: Tensor | None = None

    @classmethod
    def plan(
        cls, spec: TableSpec, budget: int, seed: int, *, mode: str = "vq", bits: int = 5
    ) -> dict:
        check(cls.method, "mode", mode, MODES)
        check(cls.method, "bits", bits, range(1, 9))
        sizes = {"field_rows": list(spec.field_rows), "dim": spec.dim}
        served = largest_code(PQ, sizes | {"rotate": False}, range(2, bits + 1), budget)
        return sizes | {"parts": served["parts"], "bits": served["bits"], "mode": mode}

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=spec.init_std, generator=rng)

    # -- training -----------------------------------------------------------------------------------
    def responses(self, queries: Tensor) -> Tensor:
        """How well each centroid answers: queries [n, d] -> [n, parts, k], normalised."""
        keys = self.centroids if self.mode == "vq" else self.keys
        parts = padded(queries, self.parts).view(len(queries), self.parts, -1)
        raw = torch.einsum("npw,pkw->npk", parts, keys)
        if self.mode == "vq":  # the square of the query is the same for all k
            raw = 2 * raw - keys.square().sum(-1)
        training = self.training and len(queries) > 1
        flat = F.batch_norm(raw.flatten(1), self.mean, self.var, None, None, training)
        return flat.view_as(raw)

    def allowed(self, responses: Tensor, ids: Tensor) -> Tensor:
        """Responses with those of centroids that an id may not use at minus infinity."""
        return responses

    def chosen(self, codes: Tensor) -> Tensor:
        """Centroids of codes [n, parts], joined: [n, d]."""
        parts = self.centroids[torch.arange(self.parts, device=codes.device), codes]
        return parts.flatten(1)[:, : self.dim]

    def forward(self, ids: Tensor) -> Tensor:
        if not ids.numel():
            return self.queries.new_zeros(*ids.shape, self.dim)
        distinct, inverse = ids.unique(return_inverse=True)
        queries = lookup(self.queries, distinct)
        detached = queries.detach() if self.mode == "vq" else queries
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.mode == "sx"):
            responses = self.allowed(self.responses(detached), distinct)
            codes = responses.argmax(-1)
        joined = self.chosen(codes)
        if self.training and self.mode == "vq":
            self._distance = (joined - queries.detach()).square().mean()
            joined = joined.detach() + (queries - queries.detach())
        elif self.training:
            joined = self.through_softmax(responses, codes)
        return lookup(joined, inverse)

    def through_softmax(self, responses: Tensor, codes: Tensor) -> Tensor:
        """The chosen values, with the gradient of the softmax-weighted mean of all: [n, d]."""
        soft = responses.softmax(-1)
        hard = F.one_hot(codes, responses.shape[-1]).to(soft)
        weights = hard + (soft - soft.detach())
        return torch.einsum("npk,pkw->npw", weights, self.centroids).flatten(1)[:, : self.dim]

    def penalty(self) -> Tensor | None:
        distance, self._distance = self._distance, None
        return distance

    # -- serving ------------------------------------------------------------------------------------
    @torch.no_grad()
    def codes(self) -> Tensor:
        """The code of every id: int64 [rows, parts]."""
        self.eval()
        ids = torch.arange(len(self.queries), device=self.queries.device)
        found = [
            self.allowed(self.responses(self.queries[rows]), rows).argmax(-1)
            for rows in ids.split(8192)
        ]
        return torch.cat(found)

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

    def config(self) -> dict:
        names = ("field_rows", "dim", "parts", "bits", "mode")
        return {name: getattr(self, name) for name in names}
