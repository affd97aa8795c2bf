"""Environment variables that make two runs equal; they must be set before a process starts."""

import os

# Fixed, never derived from the core count: the order of floating-point sums depends on it.
POLARS_THREADS = 2
# One instruction set on every x86 processor: wider ones sum in another order, and a processor's maker
# decides what a library picks. MKL calls it conditional numerical reproducibility.
_AVX2 = {
    "MKL_CBWR": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_OPT_LEVEL": "avx2",
}
OPT_OUT = "EMBEDSTUDY_INSTRUCTIONS"  # set to "any": what each library likes best


def arithmetic() -> str:
    """The instruction set that runs on a CPU are held to: ``avx2``, or ``any``."""
    return "any" if os.environ.get(OPT_OUT) == "any" else "avx2"


def fixed(threads: int = 1) -> dict[str, str]:
    """Variables for a process whose numeric libraries use ``threads`` threads."""
    counted = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return (
        dict.fromkeys(counted, str(threads))
        | (_AVX2 if arithmetic() == "avx2" else {})
        | {
            "POLARS_MAX_THREADS": str(POLARS_THREADS),
            "PYTHONHASHSEED": "0",
            "TZ": "UTC",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # read when CUDA starts, ignored afterwards
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "PYTHONWARNINGS": "ignore:IProgress not found",  # said of widgets that no run shows
        }
    )
