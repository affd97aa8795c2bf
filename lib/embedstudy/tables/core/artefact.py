"""The file a server loads: one safetensors file with a JSON header.

The header names the server class and its configuration; the tensors hold everything else. The
size of this file *is* the serve bytes of a table, so whatever look-up needs must be in it.
"""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from embedstudy.core.errors import StudyError

_KEY = "embedstudy"
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
    """Read ``path`` back as a module that maps ids to vectors, ready to serve on the CPU."""
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise StudyError(f"{path} is not a readable safetensors file ({error}).") from error
    if header is None:
        raise StudyError(f"{path} has no '{_KEY}' header: it was not written by this study.")
    server, config = json.loads(header)
    module, _, name = server.partition(":")
    served = getattr(importlib.import_module(f"embedstudy.{module}"), name)
    return served.restore(config, tensors).eval()
