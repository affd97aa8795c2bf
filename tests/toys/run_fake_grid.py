"""A grid to be killed: python run_fake_grid.py <workers> <runs>, in the project of EMBEDSTUDY_ROOT."""

import sys

from fake_work import FakeRun

from embedstudy.study.engine.grid import run_grid

if __name__ == "__main__":
    runs = [FakeRun(method="slow", seed=seed) for seed in range(int(sys.argv[2]))]
    result = run_grid(
        runs, work="fake_work:work", chapter="fake", workers=int(sys.argv[1]), device="cpu"
    )
    result.require_ok()
