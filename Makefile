# Every target does its own set-up, pinned, and reuses it on the next run.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# The embedded cluster and the demo are folders of scripts, not packages to install.
export PYTHONPATH := $(CURDIR)/tests/cluster
# What is measured and tested is what users run: compiled once, not at every start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

.PHONY: demo
demo: setup ## Run the whole demo (KEEP=1 leaves it running; KUBECONFIG uses your cluster)
	@$(BIN)/python tests/cluster/demo.py

.PHONY: test
test: setup ## Every test, on Helm 4 and 3, on a real Kubernetes (PYTEST="tests/unit -k tag" chooses)
	@cd examples/gifinator/source && go test ./...
	@$(BIN)/python -m embedded run -- $(if $(PYTEST),$(if $(RETRY),.ci/retry) pytest $(PYTEST),.ci/suite)

.PHONY: test-fast
test-fast: setup ## The unit and chart tests, without a cluster
	@$(BIN)/python -m embedded helm -- $(BIN)/pytest tests/unit tests/chart --quiet --numprocesses=auto --dist=loadgroup

.PHONY: test-oldest
test-oldest: ## The unit tests with the oldest dependencies that pyproject.toml accepts
	@$(PYTHON) -m venv build/oldest && build/oldest/bin/pip install --quiet uv==0.13.9
	@build/oldest/bin/uv pip compile --quiet --resolution lowest-direct --no-header pyproject.toml -o build/oldest.txt
	@build/oldest/bin/pip install --quiet --constraint build/oldest.txt -e ".[dev]"
	@build/oldest/bin/python -m embedded helm -- build/oldest/bin/pytest tests/unit --quiet --numprocesses=auto

.PHONY: check
check: setup ## Lint, types, layers, dependencies, drift of generated files, links, words, the manifests' security
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry helper
	@$(BIN)/deptry helper tests/{unit,chart,cluster,editor,support} tools --ignore DEP004
	@unformatted=$$(gofmt -l examples tests); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	@cd examples/gifinator/source && go vet ./...
	@$(BIN)/python -m embedded helm -- $(BIN)/python tools/generate.py --check
	@$(BIN)/python tools/links.py
	@$(BIN)/python tools/words.py
	@$(BIN)/python tools/lint.py

.PHONY: generate
generate: setup ## Write the schema, the chart's README, the CLI reference, the goldens
	@$(BIN)/python -m embedded helm -- $(BIN)/python tools/generate.py

.PHONY: bench
bench: setup ## Ratios to Helm and to the floor, taken in one run (BENCH="chart validate deploy scale" chooses)
	@$(BIN)/python -m embedded run -- $(BIN)/python tools/bench.py $(BENCH)

.PHONY: chaos
chaos: setup ## Faults at random for SECONDS (600), drawn with SEED: what was tried, and what broke
	@env PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests/support SEED="$(SEED)" SECONDS="$(SECONDS)" $(BIN)/python tests/cluster/chaos.py

.PHONY: fuzz
fuzz: setup ## Look for values that break the loader, or that we and the API server disagree on (SEED, EXAMPLES, SECONDS)
	@seed=$(or $(SEED),$$RANDOM); echo "SEED=$$seed"; export SEED=$$seed EXAMPLES=$(or $(EXAMPLES),2000); \
	  $(BIN)/pytest -q tests/unit/test_fuzz.py; \
	  $(BIN)/python -m embedded run -- $(BIN)/pytest -q -s tests/cluster/test_property.py tests/cluster/test_property_reverse.py
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tools/fuzz.txt
	@$(BIN)/python tools/fuzz.py $(or $(SECONDS),60)

.PHONY: cluster
cluster: setup ## Start the embedded Kubernetes and registry, and leave them running
	@$(BIN)/python -m embedded start

.PHONY: cluster-stop
cluster-stop: setup ## Stop them
	@$(BIN)/python -m embedded stop

.PHONY: lock
lock: ## Renew requirements.txt from pyproject.toml
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet pip-tools==7.6.2
	@build/lock/bin/pip-compile --quiet --extra dev --generate-hashes --strip-extras --allow-unsafe --no-header \
	  --no-emit-find-links --no-emit-index-url --no-emit-trusted-host --output-file requirements.txt pyproject.toml

.PHONY: clean
clean: ## Remove what builds and tests left in this folder
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.PHONY: setup
setup: $(VENV)/.installed

# Debian's python3 comes without venv. Compiling every module of every dependency takes longer than all else together.
$(VENV)/.installed: requirements.txt pyproject.toml chart/Chart.yaml
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
	  { apt-get update -qq && apt-get install -qqy python3-venv >/dev/null && $(PYTHON) -m venv --clear $(VENV); }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
