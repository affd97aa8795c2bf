"""A linear map on vectors that stay as they are: how far width training gets without the encoder."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator

_SCALE = 20.0  # of cosines, as in MultipleNegativesRankingLoss


def trained_axes(
    columns: Sequence[np.ndarray],
    axes: np.ndarray,
    mean: np.ndarray,
    dims: Sequence[int],
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
) -> np.ndarray:
    """Axes whose first numbers rank: trained from ``axes`` by MRL on the vectors of pairs.

    The loss of a batch is the mean over the widths d of the in-batch ranking loss of the first d
    numbers of (x - mean) axes: cross-entropy over cosines times 20. Adam, its rate falling to zero.

    Args:
        columns: vectors of anchors and of their positives, float [pairs, width] each.
        axes: where training starts, the principal axes say, float32 [width, axes].
        mean: what is taken off before, float32 [width].
        dims: the widths that are trained together.
        steps: of Adam; 0 returns ``axes``.
        batch: pairs a step, drawn without replacement; more than there are raise ``StudyError``.
        lr: learning rate of the first step.
        seed: of the draws.
    """
    anchors, positives = (torch.from_numpy(np.asarray(one - mean, np.float32)) for one in columns)
    if batch > len(anchors):
        raise StudyError(f"There are {len(anchors)} pairs, a batch takes {batch}: use more pairs.")
    weight = nn.Parameter(torch.from_numpy(np.array(axes, np.float32)))
    optimizer = torch.optim.Adam([weight], lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, max(1, steps))
    rng = generator(seed, "trained axes")
    for _ in range(steps):
        rows = torch.randperm(len(anchors), generator=rng)[:batch]
        turned = [one[rows] @ weight for one in (anchors, positives)]
        loss = torch.stack([_ranking(*(one[:, :dim] for one in turned)) for dim in dims]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return weight.detach().numpy()


def _ranking(anchors: Tensor, positives: Tensor) -> Tensor:
    """Cross-entropy of each anchor's own positive among all of the batch."""
    cosines = F.normalize(anchors, dim=-1) @ F.normalize(positives, dim=-1).T
    return F.cross_entropy(_SCALE * cosines, torch.arange(len(anchors)))
