"""Deep Hash Embedding: no table, a network computes the row of an id from its hashes.

Kang et al., "Learning to Embed Categorical Features without Embedding Tables for Recommendation"
(KDD 2021).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedstudy.core.errors import StudyError
from embedstudy.core.seeding import derive
from embedstudy.tables.core.base import Table, TableSpec, check, check_decay, largest, per_distinct
from embedstudy.tables.core.hashing import PRIME

BUCKETS = 10**6
HASHES = 1024  # the paper's
CODES = ("uniform", "normal")


class DHE(Table):
    """MLP(code(x)): ``layers`` times [linear, BatchNorm, Mish] of ``width`` units, then linear.

    code_j = 2 h_j(x) / (m - 1) - 1, h_j(x) = ((a_j x + b_j) mod p) mod m, m = 10^6, in [-1, 1];
    with codes="normal", Box-Muller of each pair of hashes. One network serves all fields, as small
    budgets could not pay for one each; x is the id within the whole table, so fields never share
    codes. The width comes from the budget, with 4 hashes a unit (1,024 at most), and what is left
    buys more hashes up to 1,024. The options ``most_width`` and ``hashes`` end that where time
    does: a network that they keep far below its budget shows what so small a network does, and
    nothing on DHE at that budget.

    Weight decay of rows does not reach the network by default: it has none.

    Departures: published benchmark code trains a network for each field. Linear layers before a
    BatchNorm have no bias (it would cancel). An id that occurs several times in a batch is
    computed once, so batch statistics weigh distinct ids equally, and a batch of one id uses the
    running statistics. Those and the last layer start calibrated on a sample of ids, so that
    vectors start centred, with deviation ``init_std``.
    """

    method = "dhe"
    config_keys = ("codes", "layers", "hashes", "width", "seed")
    why_less = (
        "a larger network than its options most_width and hashes allow is not tried, so this run "
        "says nothing on one of the whole budget"
    )

    def __init__(
        self,
        field_rows: list[int],
        dim: int,
        codes: str,
        layers: int,
        hashes: int,
        width: int,
        seed: int,
        factor_l2: float | None = 0.0,
    ):
        """A network of the given sizes.

        Args:
            field_rows, dim: as in ``Table``.
            codes: what ids are turned into, "uniform" or "normal" numbers.
            layers: hidden layers, 1 to 8.
            hashes: numbers of a code, 1 to 65,536; even with normal codes.
            width: units of a hidden layer.
            seed: of the hash functions.
            factor_l2: as in ``plan``.
        """
        super().__init__(field_rows, dim)
        check(self.method, "codes", codes, CODES)
        check(self.method, "layers", layers, range(1, 9))
        check(self.method, "hashes", hashes, range(1, 2**16 + 1))
        if codes == "normal" and hashes % 2:
            raise StudyError("The option hashes of dhe must be even with codes='normal'.")
        self.codes, self.layers, self.hashes = codes, layers, hashes
        self.width, self.seed, self.factor_l2 = width, seed, factor_l2
        a = [1 + derive(seed, "dhe", "a", j) % (PRIME - 1) for j in range(hashes)]
        b = [derive(seed, "dhe", "b", j) % PRIME for j in range(hashes)]
        self.register_buffer("a", torch.tensor(a, device="cpu"), persistent=False)
        self.register_buffer("b", torch.tensor(b, device="cpu"), persistent=False)
        self.first = nn.Parameter(torch.empty(width, hashes))
        deep = nn.Parameter(torch.empty(layers - 1, width, width)) if layers > 1 else None
        self.register_parameter("deep", deep)
        self.scale = nn.Parameter(torch.empty(layers, width))
        self.shift = nn.Parameter(torch.empty(layers, width))
        self.register_buffer("mean", torch.zeros(layers, width))
        self.register_buffer("var", torch.ones(layers, width))
        self.last = nn.Parameter(torch.empty(dim, width))
        self.bias = nn.Parameter(torch.empty(dim))

    @classmethod
    def plan(
        cls,
        spec: TableSpec,
        budget: int,
        seed: int,
        *,
        codes: str = "uniform",
        layers: int = 5,
        hashes: int | None = None,
        most_width: int = 1850,
        factor_l2: float | None = 0.0,
    ) -> dict:
        """Sizes that fit a budget.

        Args:
            spec, budget, seed: as in ``Table``.
            codes: what ids are turned into, "uniform" or "normal" numbers.
            layers: hidden layers, 1 to 8.
            hashes: numbers of a code; None lets the budget decide.
            most_width: most units of a hidden layer; the paper's largest network has 1,850.
            factor_l2: weight decay of the network; None: that of the rows of other methods.
        """
        check_decay(cls.method, "factor_l2", factor_l2)
        check(cls.method, "most_width", most_width, range(1, 2**16))
        sizes = spec.sizes() | {"codes": codes, "layers": layers, "seed": seed}
        sizes |= {"factor_l2": factor_l2}

        def config(width: int) -> dict:
            k = min(HASHES, 4 * width) if hashes is None else hashes
            return sizes | {"hashes": k, "width": width}

        widest = largest(cls, budget, config, 1, most_width)
        if hashes is not None:
            return widest
        low = widest["hashes"] // 2
        return largest(cls, budget, lambda half: widest | {"hashes": 2 * half}, low, HASHES // 2)

    def reset(self, spec: TableSpec, rng: torch.Generator) -> None:
        nn.init.normal_(self.first, std=self.hashes**-0.5, generator=rng)
        if self.deep is not None:
            nn.init.normal_(self.deep, std=self.width**-0.5, generator=rng)
        nn.init.normal_(self.last, std=spec.init_std, generator=rng)
        for tensor, value in ((self.scale, 1), (self.shift, 0), (self.bias, 0)):
            nn.init.constant_(tensor, value)
        ids = torch.arange(spec.rows)
        if spec.rows > 4096:
            ids = torch.randint(spec.rows, (4096,), generator=rng).unique()
        with torch.no_grad():
            vectors = self.network(self.code(ids), len(ids) > 1, momentum=1.0)
            std = vectors.std(0, correction=0).square().mean().sqrt()
            if std > 0:
                self.last.mul_(spec.init_std / std)
                self.bias.copy_(-vectors.mean(0) * spec.init_std / std)

    def factors(self) -> list[nn.Parameter]:
        return list(self.parameters())

    def forward(self, ids: Tensor) -> Tensor:
        if not ids.numel():
            return self.bias.new_zeros(*ids.shape, self.dim)
        return per_distinct(ids, self.vectors)

    def vectors(self, ids: Tensor) -> Tensor:
        """The vectors of *distinct* int64 ids [n]: [n, dim]."""
        return self.network(self.code(ids), self.training and len(ids) > 1)

    def code(self, ids: Tensor) -> Tensor:
        """fp32 [n, hashes] of int64 ids [n] below 2**31 - 1."""
        hashed = (ids.unsqueeze(-1) * self.a).add_(self.b).remainder_(PRIME).remainder_(BUCKETS)
        if self.codes == "uniform":
            return hashed.float() * (2 / (BUCKETS - 1)) - 1
        radius = (-2 * ((hashed[:, 0::2] + 1).float() / BUCKETS).log()).sqrt()
        angle = hashed[:, 1::2].float() * (2 * math.pi / BUCKETS)
        return torch.cat([radius * angle.cos(), radius * angle.sin()], 1)

    def network(self, x: Tensor, training: bool, momentum: float = 0.1) -> Tensor:
        """[n, hashes] -> [n, dim]; in training with, and updating, the statistics of the batch."""
        for i in range(self.layers):
            x = x @ (self.first if i == 0 else self.deep[i - 1]).T
            mean, var = self.mean[i], self.var[i]
            x = F.batch_norm(x, mean, var, self.scale[i], self.shift[i], training, momentum)
            x = Mish.apply(x)
        return x @ self.last.T + self.bias


class Mish(torch.autograd.Function):
    """x tanh(log(1 + e^x)), as ``F.mish`` up to the last bit or two, in half of its time.

    With n = e^x (e^x + 2), the tanh is n / (n + 2): one exponential, no logarithm.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        power = x.clamp(max=20).exp_()  # the tanh of more is 1
        n = (power + 2).mul_(power)
        gate = n / (n + 2)
        ctx.save_for_backward(x, power, gate)
        return x * gate

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        x, power, gate = ctx.saved_tensors
        below = (power + 2).mul_(power).add_(2)  # n + 2
        slope = (power + 1).mul_(power).mul_(4).div_(below).div_(below)  # of the gate
        return slope.mul_(x).add_(gate).mul_(gradient)
