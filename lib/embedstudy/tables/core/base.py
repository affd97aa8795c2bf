"""The contract of a compressed table: it stands wherever ``nn.Embedding(rows, dim)`` stood.

A method subclasses ``Table``. Its constructor takes *sizes* (the configuration that a server needs)
and, with defaults, choices that matter in training alone; ``plan`` finds the sizes that a budget in
bytes buys, ``reset`` draws the initial values. ``build`` does the three in a row.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.core.errors import InfeasibleBudget, StudyError
from embedstudy.core.seeding import generator
from embedstudy.tables.core.artefact import Compact


@dataclass(frozen=True)
class TableSpec:
    """What a table must serve.

    Args:
        field_rows: rows of each field; the ids of field f are the range [offset_f, offset_f +
            rows_f), offset_f the sum of the rows before it. The first id of a field is its
            out-of-vocabulary row.
        dim: numbers a vector.
        counts: int64 [rows], how often each id occurs in the training split. MGQE, DNIS and
            AutoSrh compare an id with a number to tell whether it is frequent: they need the ids
            of a field, after its first one, in order of descending frequency
            (``core.frequency.check_frequency_order``), as prepared data has them. Min-count and
            frequency hashing save their map of frequent ids then, and MEmCom's most frequent ids
            meet only rarer ones; every other method takes any order.
        init_std: standard deviation of the vectors at the start of training, the same for every
            method.
    """

    field_rows: tuple[int, ...]
    dim: int
    counts: Tensor
    init_std: float = 0.01

    def __post_init__(self) -> None:
        if self.dim < 1 or not self.field_rows or min(self.field_rows) < 1:
            raise StudyError(
                f"A table needs at least one field, each with at least one row, and dim >= 1; "
                f"got field_rows={self.field_rows}, dim={self.dim}."
            )
        if self.counts.shape != (self.rows,):
            raise StudyError(
                f"counts must hold one training frequency a row: expected shape ({self.rows},), "
                f"got {tuple(self.counts.shape)}."
            )

    @property
    def rows(self) -> int:
        return sum(self.field_rows)

    @property
    def full_bytes(self) -> int:
        """Bytes of the fp32 table: the payload that budgets are fractions of."""
        return self.rows * self.dim * 4

    def sizes(self) -> dict:
        """What every table's constructor takes of it: ``field_rows`` and ``dim``, JSON-safe."""
        return {"field_rows": list(self.field_rows), "dim": self.dim}

    def field_counts(self) -> list[Tensor]:
        """The training frequencies, one tensor a field."""
        return list(self.counts.split(list(self.field_rows)))


class Table(nn.Module):
    """Base of every table. ``forward`` takes int64 ids of any shape [...] -> fp32 [..., dim].

    Args:
        field_rows: rows of each field, as in ``TableSpec``.
        dim: numbers a vector.
    """

    method: ClassVar[str]  # the name used in grids and rows
    # Why a run of this method may leave more than a tenth of its budget unused.
    why_less: ClassVar[str] = "its sizes come in steps, and the next larger one does not fit"
    # Arguments of the constructor besides field_rows and dim; each is also an attribute.
    config_keys: ClassVar[tuple[str, ...]] = ()
    # Whether the recipe looks for sizes within the budget, so that ``plan`` alone does not tell them.
    # What is trained is then another table than the one that is served, and cannot be saved.
    sized_in_training: ClassVar[bool] = False
    # Weight decay of ``factors()``; None: that of all other parameters. An option of every method
    # that has factors, and no part of its file.
    factor_l2: float | None = None

    def __init__(self, field_rows: list[int], dim: int):
        super().__init__()
        self.field_rows = list(field_rows)
        self.dim = dim
        starts = torch.tensor([0, *field_rows[:-1]], device="cpu").cumsum(0)
        # Derived from the header, so not persistent: the file does not hold it twice.
        self.register_buffer("starts", starts, persistent=False)

    # -- building ---------------------------------------------------------------------------
    @classmethod
    def options(cls) -> dict[str, object]:
        """The options that ``plan`` takes, with their defaults."""
        parameters = inspect.signature(cls.plan).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    @classmethod
    def plan(cls, spec: TableSpec, budget: int, seed: int, **options) -> dict:
        """Sizes (the constructor's keyword arguments) that fit a budget.

        Raises ``InfeasibleBudget`` when even the smallest setting does not fit.

        Args:
            spec: what the table must serve.
            budget: bytes of the file at most.
            seed: of everything random in the method: hash functions, initial values.
        """
        raise NotImplementedError

    @classmethod
    def build(cls, spec: TableSpec, budget: int, seed: int, **options) -> Self:
        """A freshly initialised table whose file takes at most ``budget`` bytes."""
        unknown = sorted(set(options) - set(cls.options()))
        if unknown:
            raise StudyError(
                f"{cls.method} has no option {', '.join(unknown)}; "
                f"it takes {', '.join(sorted(cls.options())) or 'none'}."
            )
        table = cls(**cls.plan(spec, budget, seed, **options))
        table.reset(spec, generator(seed, "table", cls.method))
        return table

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        """Draw initial values so that vectors start with standard deviation ``spec.init_std``."""
        raise NotImplementedError

    # -- training -----------------------------------------------------------------------------
    def recipe(self, trainer) -> None:
        """How the table is trained: by default in one phase.

        ``trainer`` is a ``study.tables.train.Trainer`` whose model holds this table. A method with a
        search phase overrides this: it calls ``trainer.fit`` once a phase and may put another
        table in its place (``trainer.use``). What then stands in the model is served.
        """
        trainer.fit()

    def factors(self) -> list[nn.Parameter]:
        """Parameters that multiply others, in a method that takes the option ``factor_l2``.

        Decay of both factors of a product is no decay of the product: (u^2 + v^2) / 2 >= |u v|, an
        L1 term, which for vectors of size s pulls 1/s times as hard as the same decay of rows, and
        near zero a product has little gradient to lead it out again. So decay of factors is a
        choice of its own. The codes that these methods were published with decay nothing (DLRM's,
        and the VLDB 2024 benchmark's) or all parameters alike (``cce``, by AdamW's default).
        """
        return []

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimizer; what a group does not set (``lr``, ``weight_decay``) is common."""
        factors = self.factors()
        own = {id(parameter) for parameter in factors}
        rows = [parameter for parameter in self.parameters() if id(parameter) not in own]
        if not factors:
            return [{"params": rows}]
        decay = {} if self.factor_l2 is None else {"weight_decay": self.factor_l2}
        return [{"params": rows}, {"params": factors} | decay]

    def penalty(self) -> Tensor | None:
        """A term to add to the loss of this step, or None."""
        return None

    # -- serving --------------------------------------------------------------------------------
    def config(self) -> dict:
        """The constructor's keyword arguments, JSON-safe."""
        return {name: getattr(self, name) for name in ("field_rows", "dim", *self.config_keys)}

    def compact(self) -> Compact:
        """What a server loads: by default this class itself, with its persistent state.

        Raises ``StudyError`` where the recipe finds the sizes and puts another table in this one's
        place: of this one, no file within the budget can be made.
        """
        if self.sized_in_training:
            raise StudyError(
                f"{self.method} finds the sizes that it is served in while it trains: run its "
                "recipe (study.tables.train.Trainer) and save the table that the model then has."
            )
        module = type(self).__module__.removeprefix("embedstudy.")
        return Compact(f"{module}:{type(self).__name__}", self.config(), self.state_dict())

    @classmethod
    def restore(cls, config: dict, tensors: dict[str, Tensor]) -> Self:
        """The inverse of ``compact``."""
        table = cls(**config)
        table.load_state_dict(tensors)
        return table

    # -- helpers ----------------------------------------------------------------------------------
    def field_of(self, ids: Tensor) -> Tensor:
        """The field that each id belongs to, int64, the shape of ``ids``."""
        return torch.bucketize(ids, self.starts, right=True) - 1

    def local(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(field, index within the field) of each id."""
        field = self.field_of(ids)
        return field, ids - self.starts[field]


def lookup(rows: Tensor, index: Tensor) -> Tensor:
    """Rows of a matrix: fp32 [n, width] and int64 [...] -> [..., width], as ``F.embedding``.

    On the CPU this is ``index_select``, whose backward pass gives the same sums several times
    faster; on CUDA, ``embedding`` stays, as its backward pass is deterministic there.
    """
    if rows.is_cuda:
        return F.embedding(index, rows)
    return rows.index_select(0, index.flatten()).view(*index.shape, rows.shape[1])


def per_distinct(ids: Tensor, vectors: Callable[[Tensor], Tensor]) -> Tensor:
    """``vectors`` of int64 ids [...], computed once for each distinct id: fp32 [..., width].

    ``vectors`` maps int64 [n], ascending, to fp32 [n, width]. Where computing a row costs more
    than finding the distinct ids (less than half of a batch of click-through data), this is
    faster. Vectors are the same; gradients are the same sums in another order.
    """
    distinct, inverse = ids.unique(return_inverse=True)
    return lookup(vectors(distinct), inverse)


def check(method: str, option: str, value: object, allowed: range | tuple) -> None:
    """Raise ``StudyError`` unless ``value`` is one of ``allowed`` (a range or a tuple)."""
    if type(value) is not type(allowed[0]) or value not in allowed:
        if isinstance(allowed, range):
            text = f"a whole number from {allowed[0]} to {allowed[-1]}"
        else:
            text = "one of " + ", ".join(map(repr, allowed))
        raise StudyError(f"The option {option} of {method} must be {text}, not {value!r}.")


def check_share(method: str, option: str, value: object) -> None:
    """Raise ``StudyError`` unless ``value`` is a number between 0 and 1, both excluded."""
    if not isinstance(value, float) or not 0 < value < 1:
        raise StudyError(
            f"The option {option} of {method} must be a number between 0 and 1, not {value!r}."
        )


def check_decay(method: str, option: str, value: object) -> None:
    """Raise ``StudyError`` unless ``value`` is None or a number of at least 0."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value < float("inf")):
        raise StudyError(
            f"The option {option} of {method} must be a number of at least 0, or None for the "
            f"decay of the other parameters, not {value!r}."
        )


def planned_bytes(cls: type[Table], config: dict) -> int:
    """Bytes of the file that ``cls(**config)`` would compact to, without allocating it."""
    with torch.device("meta"):
        return cls(**config).compact().bytes()


def largest(
    cls: type[Table], budget: int, config: Callable[[int], dict], low: int, high: int
) -> dict:
    """The configuration of the largest size in [low, high] whose file fits ``budget`` bytes.

    ``config`` maps a size to constructor arguments; bytes must not decrease with the size.
    """
    smallest = planned_bytes(cls, config(low))
    if smallest > budget:
        raise InfeasibleBudget(
            f"{cls.method} needs at least {smallest:,} bytes for this table, "
            f"the budget is {budget:,} bytes."
        )
    while low < high:
        middle = (low + high + 1) // 2
        if planned_bytes(cls, config(middle)) <= budget:
            low = middle
        else:
            high = middle - 1
    return config(low)
