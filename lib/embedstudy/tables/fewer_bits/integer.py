"""What integer training shares: a table of whole numbers, dense Adam, stochastic rounding.

No fp32 copy of the table outlives a step. Stochastic rounding: Gupta et al., "Deep Learning with
Limited Numerical Precision" (ICML 2015), section 3.1.
"""

import torch
from torch import Tensor

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import generator
from embedstudy.tables.core.base import Table, check, lookup

TYPES = {8: torch.int8, 16: torch.int16}
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class IntegerTable(Table):
    """E[x] = step * code_x, codes of 8 or 16 bits that are integers in memory while training.

    Every step of training takes the rows of the batch out of their codes, as leaves of the
    gradient, and ends in ``update``. As for every other method of the study, Adam is dense, so that
    moments and weight decay act on all rows. Its moments are fp32 and live as long as training:
    training bytes fall less than serve bytes do. There is no parameter, so a loop of one's own
    around an optimizer would train nothing: in training mode a look-up outside of the recipe is an
    error.
    """

    def __init__(self, field_rows: list[int], dim: int, bits: int):
        """A table of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            bits: of a code: 8 or 16.
        """
        super().__init__(field_rows, dim)
        check(self.method, "bits", bits, tuple(TYPES))
        self.bits = bits
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.register_buffer("codes", torch.zeros(sum(field_rows), dim, dtype=TYPES[bits]))
        self._learning = False  # whether the recipe is at work
        self._leaf: tuple[Tensor, Tensor] | None = None

    def row_steps(self) -> Tensor:
        """The step of each row: fp32 [rows, 1], or one number."""
        raise NotImplementedError

    def decoded(self) -> Tensor:
        """All vectors: fp32 [rows, dim]."""
        return self.codes.float().mul_(self.row_steps())

    def looked_up(self, flat: Tensor) -> Tensor:
        """The vectors of int64 ids [n]: fp32 [n, dim]."""
        steps = self.row_steps()
        return lookup(self.codes, flat).float() * (
            steps if steps.dim() == 0 else lookup(steps, flat)
        )

    def forward(self, ids: Tensor) -> Tensor:
        flat = ids.flatten()
        vectors = self.looked_up(flat)
        if self.training:
            if not self._learning:
                raise StudyError(
                    f"{self.method} has no parameters that an optimizer could train, it learns by "
                    "its recipe alone: train it with study.tables.train.Trainer, or call eval() to "
                    "look vectors up."
                )
            self._leaf = flat, vectors.requires_grad_()
        return vectors.view(*ids.shape, self.dim)

    # -- training -----------------------------------------------------------------------------------
    def recipe(self, trainer) -> None:
        self.start(trainer)
        trainer.fit(each_step=lambda step: self.update(trainer, step + 1))
        self._leaf, self._learning = None, False

    def start(self, trainer) -> None:
        """Moments of Adam, and the random numbers of rounding."""
        self._learning = True
        self.rounding = generator(trainer.seed, "stochastic rounding")
        for name in ("first_moment", "second_moment"):
            moment = torch.zeros(self.codes.shape, device=self.codes.device)
            self.register_buffer(name, moment, persistent=False)

    @torch.no_grad()
    def adam(self, trainer, step: int) -> Tensor:
        """The fp32 table [rows, dim] after Adam's step number ``step`` on this batch's gradient."""
        flat, leaf = self._leaf
        lr = trainer.optimizer.param_groups[-1]["lr"]
        weight = self.decoded()
        gradient = weight * trainer.config.table_l2
        gradient.index_add_(0, flat, leaf.grad)
        (b1, b2), first, second = _BETAS, self.first_moment, self.second_moment
        first.lerp_(gradient, 1 - b1)
        second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        scale = (1 - b2**step) ** 0.5
        denominator = gradient.copy_(second).sqrt_().add_(_EPSILON * scale)
        return weight.addcdiv_(first, denominator, value=-lr * scale / (1 - b1**step))

    @torch.no_grad()
    def update(self, trainer, step: int) -> None:
        self.round_(self.adam(trainer, step))

    @torch.no_grad()
    def round_(self, weight: Tensor) -> None:
        """Set the codes to ``weight`` (destroyed) over the step, rounded stochastically, clipped.

        A number between two codes becomes the upper one with the probability of its distance from
        the lower one, so rounding is right on average and updates below half a step are not lost.
        """
        weight.div_(self.row_steps()).add_(uniform(weight.shape, self.rounding, weight.device))
        self.codes.copy_(weight.floor_().clamp_(self.low, self.high))


def uniform(shape: tuple[int, ...], rng: torch.Generator, device: torch.device) -> Tensor:
    """fp32 in [0, 1) on a grid of 2^-16; four numbers for each draw of the generator."""
    size = torch.Size(shape).numel()
    drawn = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None, generator=rng)
    numbers = drawn.view(torch.int16)[:size].to(device).float()
    return numbers.mul_(2**-16).add_(0.5).view(shape)
