"""Evolutionary search over the dimensions of fields (OptEmbed, section 3.3, algorithm 1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Dims = tuple[int, ...]


@dataclass(frozen=True)
class Evolution:
    """Sizes of the search; the paper's are 20 candidates, 10 + 10 children, 30 generations.

    ``probability``: with which a mutation draws a field's dimension anew.
    """

    population: int = 20
    mutations: int = 10
    crossovers: int = 10
    generations: int = 30
    probability: float = 0.1

    def search(
        self,
        fields: int,
        dim: int,
        fitness: Callable[[Dims], float],
        repair: Callable[[Dims], Dims],
        rng: torch.Generator,
    ) -> tuple[Dims, list[float]]:
        """The fittest dimensions found, and the best fitness after each generation.

        ``repair`` makes a candidate feasible; each distinct candidate is judged once. Candidates
        are tuples, so no mutation can change a recorded one in place, as published code does.
        """
        known: dict[Dims, float] = {}

        def judged(candidates: list[Dims]) -> list[Dims]:
            for candidate in candidates:
                if candidate not in known:
                    known[candidate] = fitness(candidate)
            distinct = sorted(set(candidates), key=lambda c: (-known[c], c))
            return distinct[: self.population]

        def drawn() -> Dims:
            return tuple(torch.randint(1, dim + 1, (fields,), generator=rng).tolist())

        best = judged([repair(drawn()) for _ in range(self.population)])
        history = [known[best[0]]]
        for _ in range(self.generations):
            children = [repair(self.mutated(self._pick(best, rng), dim, rng))
                        for _ in range(self.mutations)]  # fmt: skip
            for _ in range(self.crossovers):
                left, right = self._pick(best, rng), self._pick(best, rng)
                children.append(repair(crossed(left, right, rng)))
            best = judged([*best, *children])
            history.append(known[best[0]])
        return best[0], history

    def mutated(self, parent: Dims, dim: int, rng: torch.Generator) -> Dims:
        """``parent`` with each dimension drawn anew with the mutation's probability."""
        change = torch.rand(len(parent), generator=rng) < self.probability
        fresh = torch.randint(1, dim + 1, (len(parent),), generator=rng)
        return tuple(torch.where(change, fresh, torch.tensor(parent)).tolist())

    @staticmethod
    def _pick(candidates: list[Dims], rng: torch.Generator) -> Dims:
        return candidates[int(torch.randint(len(candidates), (1,), generator=rng))]


def crossed(left: Dims, right: Dims, rng: torch.Generator) -> Dims:
    """The first fields of one parent and the others of the other; any field can be the cut."""
    if len(left) == 1:
        return left
    cut = int(torch.randint(1, len(left), (1,), generator=rng))
    return left[:cut] + right[cut:]
