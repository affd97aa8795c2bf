"""A second device for machines that have one only: its tensors hold numbers, and meet no others.

It goes by the name of torch's ``meta`` device, whose tensors hold none. Within ``elsewhere()``,
``tensor.to(DEVICE)`` and factories with ``device=DEVICE`` give tensors whose numbers are kept on
the CPU; an operation on them is done there, and refused where one of its tensors is a plain one, as
a GPU would refuse it. Copies from one device to the other are allowed, and so are numbers without
dimension. As on CUDA, numbers of type uint16 can be copied and not indexed.
"""

from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("meta")
_COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)
_INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_select.default)


class There(Tensor):
    """A tensor on the second device; ``inner`` holds its numbers."""

    @staticmethod
    def __new__(cls, inner: Tensor):
        return Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )

    def __init__(self, inner: Tensor):
        self.inner = inner

    def __repr__(self) -> str:
        return f"There({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return done(function, args, kwargs or {})


class Operations(TorchDispatchMode):
    """Whatever torch does ends here."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return done(function, args, kwargs or {})


class Literals(TorchFunctionMode):
    """Lists of numbers to tensors and back, which torch does not leave to a dispatch mode."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is torch.tensor and kwargs.get("device") == DEVICE:
            return torch.tensor(*args, **kwargs | {"device": "cpu"}).to(DEVICE)
        if function is Tensor.tolist and isinstance(args[0], There):
            return args[0].inner.tolist()
        return function(*args, **kwargs)


@contextmanager
def elsewhere():
    """Within this, ``DEVICE`` holds numbers."""
    with Operations(), Literals():
        yield


def done(function, args: tuple, kwargs: dict):
    """What ``function`` gives, computed on the CPU and put where it belongs."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, There) for tensor in tensors)
    plain = [t for t in tensors if not isinstance(t, There) and t.dim() > 0]
    if there and plain and function not in _COPIES:
        raise RuntimeError(f"{function}: tensors are on the second device and on the CPU.")
    if there and function in _INDEXED and args[0].dtype == torch.uint16:
        raise NotImplementedError(f"{function} is not implemented for uint16 on this device.")
    device = kwargs.get("device")
    if device is not None:
        there = torch.device(device) == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    if function is torch.ops.aten.copy_.default:
        there = isinstance(args[0], There)
    inner = tree_map_only(There, lambda tensor: tensor.inner, (args, kwargs))
    out = function(*inner[0], **inner[1])
    if not there:
        return out
    out = tree_map_only(Tensor, There, out)
    return return_and_correct_aliasing(function, args, kwargs, out)
