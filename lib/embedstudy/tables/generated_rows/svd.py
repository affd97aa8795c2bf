"""Truncated singular value decomposition of a trained table, plain or weighted by frequency.

The optimal low-rank approximation (Eckart and Young 1936). Weighted: Hsu et al., "Language model
compression with weighted low-rank factorization" (ICLR 2022), equation 5.
"""

import torch
from torch import Tensor

from embedstudy.tables.core.base import TableSpec, check, largest, lookup
from embedstudy.tables.core.post_training import PostTraining


class SVD(PostTraining):
    """E ≈ (U_k S_k) V_k^T: k numbers an id and k shared directions, k the largest the budget buys.

    ``weighted`` minimises the error of look-ups instead of that of rows: row x counts as often as
    it occurs in training. With D = diag(sqrt(count)), SVD gives D E ≈ U S V^T, and D^-1 U S are the
    rows. Departure: Hsu et al. weigh a row by the Fisher information of its weights; how often it
    is looked up is what a table knows. Ids that never occur count half an occurrence.
    """

    method = "svd"
    config_keys = ("rank", "weighted")

    def __init__(self, field_rows: list[int], dim: int, rank: int, weighted: bool):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            rank: k, numbers an id and directions, 1 to ``dim``.
            weighted: whether rows weigh by their frequency.
        """
        super().__init__(field_rows, dim)
        check(self.method, "weighted", weighted, (True, False))
        self.rank, self.weighted = rank, weighted
        self.register_buffer("rows", torch.zeros(sum(field_rows), rank))
        self.register_buffer("directions", torch.zeros(rank, dim))

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, *, weighted: bool = False) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            weighted: whether rows weigh by their frequency.
        """
        sizes = spec.sizes() | {"weighted": weighted}
        return largest(cls, budget, lambda rank: sizes | {"rank": rank}, 1, spec.dim)

    @torch.no_grad()
    def approximate(self, weight: Tensor, spec: TableSpec, rng: torch.Generator) -> None:
        importance = torch.ones(len(weight), 1, dtype=torch.float64)
        if self.weighted:
            importance = spec.counts.double().clamp(min=0.5).sqrt().unsqueeze(1)
        scaled = weight.cpu().double() * importance
        # The right singular vectors are the eigenvectors of a d x d matrix.
        _, vectors = torch.linalg.eigh(scaled.T @ scaled)
        directions = vectors[:, -self.rank :].flip(1).T
        self.directions.copy_(directions)
        self.rows.copy_(weight.cpu().double() @ directions.T)

    def forward(self, ids: Tensor) -> Tensor:
        return lookup(self.rows, ids) @ self.directions
