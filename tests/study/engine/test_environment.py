"""Workers compute with one instruction set, unless the user asks for any."""

import os
import platform
import subprocess
import sys

import pytest

from embedstudy.study.engine import environment

x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the set is one of x86 processors"
)


def capability(variables):
    code = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@x86
def test_a_worker_uses_avx2_whatever_the_processor_has():
    assert capability(environment.fixed()) == "AVX2"


def test_the_user_may_ask_for_any(monkeypatch):
    monkeypatch.setenv(environment.OPT_OUT, "any")
    assert environment.arithmetic() == "any"
    assert not {"MKL_CBWR", "ATEN_CPU_CAPABILITY"} & set(environment.fixed())


def test_runs_of_another_instruction_set_are_other_runs(prepared, monkeypatch):
    from embedstudy.study.engine.keys import keyed
    from embedstudy.study.tables import run as module
    from embedstudy.study.tables.types import TableRun

    one = TableRun(
        dataset=prepared, backbone="dcnv2", family="reference", method="full", label="full table",
        budget=1.0, seed=0,
    )  # fmt: skip
    _, (held,) = keyed([one], module, None)
    monkeypatch.setenv(environment.OPT_OUT, "any")
    _, (free,) = keyed([one], module, None)
    assert held != free
