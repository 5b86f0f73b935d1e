# Every target sets up what it needs, says what it does with the time elapsed, and can be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := build/venv
BIN := $(VENV)/bin
ifndef MARQUEE_STARTED
export MARQUEE_STARTED := $(shell date +%s)
endif

# $(call stage,what) prints a headline with the seconds since make was started
stage = @printf '\033[1m[%5d s] %s\033[0m\n' $$(( $$(date +%s) - MARQUEE_STARTED )) '$(1)'

.PHONY: help demo test lint types contracts unit api e2e crash bench bench-control bench-front helm programs cluster images generate lock clean

help: ## what there is to run
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-15s %s\n", $$1, $$2}'

demo: $(VENV)/ready ## train two real models, install Marquee, see them answer (uses $KUBECONFIG when it is set)
	$(call stage,demo)
	@$(BIN)/python -m demo

test: lint types contracts unit api crash e2e ## everything that must hold before a change lands
	$(call stage,all tests passed)

lint: $(VENV)/ready ## style and format
	$(call stage,lint: ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/ready ## static types
	$(call stage,types: mypy --strict)
	@$(BIN)/mypy operator/marquee bentos models localcluster demo tests

contracts: $(VENV)/ready ## who may import whom
	$(call stage,import contracts)
	@$(BIN)/lint-imports --no-cache

unit: $(VENV)/ready helm ## decisions and parts, no cluster
	$(call stage,unit tests)
	@$(BIN)/pytest -q tests/unit tests/models

api: $(VENV)/ready programs ## rules and clients against a real API server
	$(call stage,API tests)
	@$(BIN)/pytest -q tests/api

crash: $(VENV)/ready programs ## the operator killed before and after every write
	$(call stage,crash tests)
	@$(BIN)/pytest -q tests/crash

e2e: $(VENV)/ready programs ## promises kept on the local cluster
	$(call stage,end-to-end tests)
	@$(BIN)/pytest -q -p no:randomly tests/e2e

bench: bench-control bench-front ## all benchmarks

bench-control: $(VENV)/ready ## the operator against the floor of bare writes
	$(call stage,benchmark: control)
	@$(BIN)/python -m tests.bench.control

bench-front: $(VENV)/ready ## the predictor against bare ASGI and plain BentoML
	$(call stage,benchmark: front)
	@$(BIN)/python -m tests.bench.front

helm: $(VENV)/ready ## build Helm from its Go module, once
	$(call stage,Helm)
	@$(BIN)/python -m localcluster build-helm

programs: $(VENV)/ready helm ## build Kubernetes and the add-ons too
	$(call stage,programs of the local cluster)
	@$(BIN)/python -m localcluster build-binaries

cluster: $(VENV)/ready ## bring up the local cluster and say how to reach it
	$(call stage,local cluster)
	@$(BIN)/python -m localcluster up
	@printf 'export KUBECONFIG=%s\n' "$$($(BIN)/python -m localcluster kubeconfig)"

images: $(VENV)/ready ## build the operator, predictor and trainer images for the local cluster
	$(call stage,images)
	@$(BIN)/python -m demo images

generate: $(VENV)/ready ## write what is generated from the types: CRDs and the state table
	$(call stage,generated files)
	@mkdir -p helm/marquee/files/crds
	@$(BIN)/python -m marquee.api.crds crds helm/marquee/files/crds
	@$(BIN)/python -m marquee.api.document docs/resources.md
	@$(BIN)/python -m marquee.control.decide.document docs/states.md

LOCK := $(BIN)/uv pip compile pyproject.toml -q --upgrade --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate --no-header

lock: $(VENV)/ready ## compile the hash-pinned requirements again from pyproject.toml
	$(call stage,requirements)
	@$(LOCK) --all-extras -o requirements/dev.txt
	@for extra in operator front models; do $(LOCK) --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
	@$(subst 3.11,3.13,$(LOCK)) --extra models -c requirements/dev.txt -o requirements/models-without-torch.txt \
	  $$(sed -nE 's/^(torch|triton|nvidia-[a-z0-9-]+|sympy|mpmath|networkx|jinja2|markupsafe|filelock)==.*/--no-emit-package \1/p' requirements/models.txt)
	@echo 'hatchling>=1.27' | $(subst pyproject.toml,-,$(LOCK)) -c requirements/dev.txt -o requirements/build.txt

$(VENV)/ready: requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	$(call stage,Python environment in $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo 'The locked packages are for Python 3.11: install it, or name it: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --require-hashes -r requirements/bootstrap.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync -q --require-hashes requirements/bootstrap.txt requirements/dev.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

clean: ## stop everything that runs and remove what was built here; caches outside the checkout stay
	$(call stage,clean)
	@$(PYTHON) -m localcluster reset
	@rm -rf build dist
