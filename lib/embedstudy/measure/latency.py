"""Look-up time of a served table."""

import time

import torch
from torch import Tensor, nn


@torch.inference_mode()
def lookup_microseconds(served: nn.Module, ids: Tensor, repeats: int = 30) -> float:
    """Median wall time in microseconds of ``served(ids)``, after three warm-up calls.

    ``ids`` [B, F]: the ids of B events, looked up in one call. Synchronises with a GPU.
    """
    cuda = ids.is_cuda
    times = []
    for _ in range(repeats + 3):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        served(ids)
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times[3:])[repeats // 2] * 1e6
