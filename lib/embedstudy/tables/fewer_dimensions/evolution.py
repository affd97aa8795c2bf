"""Evolutionary search over the dimensions of fields (OptEmbed, section 3.3, algorithm 1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Dims = tuple[int, ...]


@dataclass(frozen=True)
class Evolution:
    """Sizes of the search; the defaults are the paper's.

    Args:
        population: candidates that live on from one generation to the next.
        mutations: children of one parent in each generation.
        crossovers: children of two parents in each generation.
        generations: after the first, randomly drawn candidates.
        probability: with which a mutation draws a field's dimension anew.
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

        Each distinct candidate is judged once. Candidates are tuples, so no mutation can change a
        recorded one in place, as published code does.

        Args:
            fields: dimensions of a candidate.
            dim: the largest dimension; the smallest is 1.
            fitness: what is to be large.
            repair: makes a candidate feasible.
            rng: of first candidates, parents and children.
        """
        scores: dict[Dims, float] = {}

        def fittest(candidates: list[Dims]) -> list[Dims]:
            for candidate in candidates:
                if candidate not in scores:
                    scores[candidate] = fitness(candidate)
            distinct = sorted(set(candidates), key=lambda c: (-scores[c], c))
            return distinct[: self.population]

        def random_dims() -> Dims:
            return tuple(torch.randint(1, dim + 1, (fields,), generator=rng).tolist())

        best = fittest([repair(random_dims()) for _ in range(self.population)])
        history = [scores[best[0]]]
        for _ in range(self.generations):
            children = [repair(self.mutation(self._pick(best, rng), dim, rng))
                        for _ in range(self.mutations)]  # fmt: skip
            for _ in range(self.crossovers):
                left, right = self._pick(best, rng), self._pick(best, rng)
                children.append(repair(crossover(left, right, rng)))
            best = fittest([*best, *children])
            history.append(scores[best[0]])
        return best[0], history

    def mutation(self, parent: Dims, dim: int, rng: torch.Generator) -> Dims:
        """``parent`` with each dimension drawn anew with the mutation's probability."""
        change = torch.rand(len(parent), generator=rng) < self.probability
        fresh = torch.randint(1, dim + 1, (len(parent),), generator=rng)
        return tuple(torch.where(change, fresh, torch.tensor(parent)).tolist())

    @staticmethod
    def _pick(candidates: list[Dims], rng: torch.Generator) -> Dims:
        return candidates[int(torch.randint(len(candidates), (1,), generator=rng))]


def crossover(left: Dims, right: Dims, rng: torch.Generator) -> Dims:
    """The first fields of one parent and the others of the other; any field can be the cut."""
    if len(left) == 1:
        return left
    cut = int(torch.randint(1, len(left), (1,), generator=rng))
    return left[:cut] + right[cut:]
