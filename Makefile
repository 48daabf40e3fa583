# Every target prepares what it needs in .venv; `make` alone prints this list.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 8
WORKLOAD ?= sql
CONFIG ?=
BASE ?=
JOBS ?= 3

SOURCES := $(wildcard .requirements/*.txt) pyproject.toml
STAMP := $(VENV)/.ready

.PHONY: help setup run cluster etcd flamegraph test test-long lint perf-check perf-counts perf-history perf-selftest bench faults stubs lock clean

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(STAMP): $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "metadiag needs Python 3.11 or newer; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)"; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r .requirements/engine.txt \
	  || echo "no query engine wheel for this platform: SQL workloads and the engine's tests are left out"
	@touch $@

setup: $(STAMP)  ## prepare .venv with pinned dependencies

run: $(STAMP)  ## serve one node here (CONFIG=databend-meta.toml)
	$(BIN)/diag serve $(if $(CONFIG),-c $(CONFIG),--single --raft-dir .databend/meta)

cluster: $(STAMP)  ## run three nodes here until Ctrl-C; their files are in .cache/cluster. ARGS=--free-ports, --help
	@$(BIN)/python -m diag.perf.cluster $(ARGS)

etcd:  ## fetch an etcd from Debian into .cache, for clusters (not installed, no root)
	@$(PYTHON) diag/replication/etcd_fetch.py .cache/etcd

flamegraph: $(STAMP)  ## flame graphs of a node under load (SECONDS=8 WORKLOAD=sql|kv) in build/flamegraph
	@$(BIN)/python -m diag.perf.flamegraph_job --seconds $(SECONDS) --workload $(WORKLOAD) --out build/flamegraph

# Tests wait more than they compute, so there are more processes than cores; a file's tests share what it set up.
test: $(STAMP)  ## run the tests, JOBS=3 at once, or ARGS="tests/kv -k put" one after the other
ifeq ($(ARGS),)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not long and not alone"
	@$(BIN)/python -m pytest -m "alone and not long"
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-long: $(STAMP)  ## tests that start a cluster of their own each: a quarter of an hour
	@$(BIN)/python -m pytest -m long $(ARGS)

lint: $(STAMP)  ## ruff, mypy strict and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

perf-check: $(STAMP)  ## did the working tree get slower or hungrier than BASE= (default: where it left main)? ARGS=--help
	@$(BIN)/python -m diag.perf.gate $(if $(BASE),--base $(BASE)) $(ARGS)

perf-history: $(STAMP)  ## keep the last perf-check in build/perf (or a branch, ARGS="--branch NAME") and draw them all
	@$(BIN)/python -m diag.perf.gate.history $(ARGS)

perf-counts: $(STAMP)  ## do the pure kernels take more instructions than at BASE=? Counted by perf or valgrind
	@$(BIN)/python -m diag.perf.gate.counts $(if $(BASE),--base $(BASE)) $(ARGS)

perf-selftest: $(STAMP)  ## how often the gate alarms without cause, and how often it sees one; ARGS=--live takes an hour
	@$(BIN)/python -m diag.perf.gate.selftest $(ARGS)

bench: $(STAMP)  ## speed and memory, as ratios measured in one run
	@$(BIN)/python -m diag.perf.bench

.PHONY: screenshots
screenshots: $(STAMP)  ## the README's pictures of the dashboard, from three nodes under load
	@$(BIN)/python -m diag.perf.screenshots

faults: $(STAMP) etcd  ## break a cluster of three in every way under load; root cuts networks and fills disks
	@$(BIN)/python -m diag.faults $(ARGS)

stubs: $(STAMP)  ## generate the gRPC stubs from our .proto files
	@$(BIN)/python -m diag.rpc.generate

lock: $(STAMP)  ## pin the dependencies again, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --group dev pyproject.toml -o .requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --group engine -o .requirements/engine.txt

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
