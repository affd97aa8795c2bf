"""Environment variables that make two runs equal; they must be set before a process starts."""

# Fixed, never derived from the core count: the order of floating-point sums depends on it.
POLARS_THREADS = 2


def fixed(threads: int = 1) -> dict[str, str]:
    """Variables for a process whose numeric libraries use ``threads`` threads."""
    counted = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(counted, str(threads)) | {
        "POLARS_MAX_THREADS": str(POLARS_THREADS),
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # read when CUDA starts, ignored afterwards
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore:IProgress not found",  # said of widgets that no run shows
    }
