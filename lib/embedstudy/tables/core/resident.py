"""What a served table holds in memory, beside the bytes of its file."""

from itertools import chain

from torch import nn


def resident_bytes(table: nn.Module) -> int:
    """Bytes of all parameters and buffers of ``table``, persistent or not, each storage once.

    What look-up derives from the file when it is loaded is in it; what a look-up needs for its
    duration, Python objects and code are not.
    """
    tensors = chain(table.parameters(), table.buffers())
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({(s.device, s.data_ptr()): s.nbytes() for s in storages}.values())
