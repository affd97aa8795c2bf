"""The file a server loads: one safetensors file with a JSON header.

The header names the server class and its configuration; the tensors hold everything else. The
size of this file *is* the serve bytes of a table, so whatever look-up needs must be in it.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from embedstudy.core.errors import StudyError
from embedstudy.tables.core import servers

_KEY = "embedstudy"
_MOST_DIM = 2**16  # numbers of a vector in a file
_LEAST = 2**16  # what a size in a header may be, however small the file
# In the order in which safetensors lays tensors out; those of one type go by name.
_DTYPES = {
    torch.uint64: ("U64", 8),
    torch.int64: ("I64", 8),
    torch.float64: ("F64", 8),
    torch.float32: ("F32", 4),
    torch.uint32: ("U32", 4),
    torch.int32: ("I32", 4),
    torch.bfloat16: ("BF16", 2),
    torch.float16: ("F16", 2),
    torch.uint16: ("U16", 2),
    torch.int16: ("I16", 2),
    torch.int8: ("I8", 1),
    torch.uint8: ("U8", 1),
    torch.bool: ("BOOL", 1),
}


@dataclass(frozen=True)
class Compact:
    """What a server needs.

    Args:
        server: the class that serves, "tables.sharing_rows.qr:QR", below the package embedstudy.
        config: JSON-safe keyword arguments of that class.
        tensors: its state by name; the bytes of the file are theirs and the header's.
    """

    server: str
    config: dict
    tensors: dict[str, torch.Tensor]

    def header(self) -> dict[str, str]:
        return {_KEY: json.dumps([self.server, self.config], separators=(",", ":"))}

    def bytes(self) -> int:
        """Size in bytes of the file that ``save`` writes; works on meta tensors too."""
        entries, offset = {"__metadata__": self.header()}, 0
        order = {name: i for i, (name, _) in enumerate(_DTYPES.values())}
        described = [
            (order[_DTYPES[t.dtype][0]], name, t, *_DTYPES[t.dtype])
            for name, t in self.tensors.items()
        ]
        for _, name, tensor, dtype, width in sorted(described, key=lambda d: d[:2]):
            end = offset + tensor.numel() * width
            entries[name] = {
                "dtype": dtype,
                "shape": list(tensor.shape),
                "data_offsets": [offset, end],
            }
            offset = end
        header = len(json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode())
        return 8 + -(-header // 8) * 8 + offset


def save(compact: Compact, path: Path) -> int:
    """Write ``compact`` to ``path`` and return the file's size in bytes."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in compact.tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=compact.header())
    return path.stat().st_size


def load(path: Path) -> torch.nn.Module:
    """Read ``path`` back as a module that maps ids to vectors, ready to serve on the CPU.

    The file may come from anybody: its header must name a class of ``core.servers`` and sizes that are
    those of the tensors beside it, which is seen before anything is allocated for them. Raises
    ``StudyError`` for every other file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise StudyError(f"{path} is not a readable safetensors file ({error}).") from error
    if header is None:
        raise StudyError(f"{path} has no '{_KEY}' header: it was not written by this study.")
    try:
        server, config = _described(header)
        served = servers.find(server)
        _check_sizes(config, sum(t.nbytes for t in tensors.values()))
        with torch.device("meta"):
            expected = served(**config).compact().tensors
        _check_tensors(expected, tensors)
        return served.restore(config, tensors).eval()
    except Exception as error:  # a constructor may fail in any way on sizes that make no sense
        told = " ".join(str(error).split()).rstrip(".")
        kind = "" if isinstance(error, StudyError) else f"{type(error).__name__}: "
        raise StudyError(
            f"{path} describes no table that can be served ({kind}{told[:300]}): get the file again."
        ) from error


def _described(header: str) -> tuple[str, dict]:
    """The server's name and configuration in a header."""
    try:
        described = json.loads(header)
    except (ValueError, RecursionError):
        described = None
    match described:
        case [str(server), dict(config)]:
            return server, config
    raise StudyError("its header is not the name of a class and its arguments")


def _check_sizes(config: dict, stored: int) -> None:
    """Raise ``StudyError`` for sizes that no table in ``stored`` bytes of tensors has.

    Constructors may take time or memory in proportion to a number, so none is called with one that
    only a header made up can hold.
    """
    fields, most = config.get("field_rows"), max(_LEAST, 8 * stored)
    if not isinstance(fields, list) or not fields or not all(_is_size(n, 1) for n in fields):
        raise StudyError("field_rows must list the rows of each field, from 1 to 2^31 - 1")
    if not _is_size(config.get("dim"), 1, _MOST_DIM):
        raise StudyError(f"dim must be a whole number from 1 to {_MOST_DIM:,}")
    for name, value in config.items():
        if name == "seed" and not _is_size(value, 0, 2**63 - 1):
            raise StudyError("seed must be a whole number from 0 to 2^63 - 1")
        wrong = type(value) is int and not _is_size(value, 0, most)
        if name != "seed" and (wrong or (isinstance(value, float) and not math.isfinite(value))):
            shown = str(value)[:20]
            raise StudyError(f"{name} is {shown}, no size of a table in {stored:,} bytes")


def _is_size(value: object, low: int, high: int = 2**31 - 1) -> bool:
    return type(value) is int and low <= value <= high  # and no truth value


def _check_tensors(expected: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> None:
    """Raise ``StudyError`` unless names, shapes and types are the expected ones."""
    for name in [*expected, *tensors]:
        wanted, found = (
            f"{_DTYPES[t[name].dtype][0]} {list(t[name].shape)}" if name in t else "nothing"
            for t in (expected, tensors)
        )
        if wanted != found:
            raise StudyError(f"the tensor {name[:80]} is {found} where its sizes ask for {wanted}")
