# The words everybody uses, CI included. `make help` explains them.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; exit; }; done)
BIN := .venv/bin
READY := .venv/ready
SERVERS := $(BIN)/python -m dev.with_servers
TESTS ?=
SCALE ?= small
LOCKS := requirements.lock requirements-offline.lock $(wildcard dev/wheels/*.lock)

.DEFAULT_GOAL := help
.PHONY: run stop test test-faults test-mutations check bench demo lock clean help

run: $(READY)  ## start everything; PORT=8000; Ctrl-C stops it
	@exec $(BIN)/python -m dev.run

stop: $(READY)  ## stop what `make run` started in another terminal
	@$(BIN)/python -m dev.run stop

test: $(READY)  ## all tests against real throw-away servers; TESTS=path narrows
	@$(BIN)/python -m dev.testing $(TESTS)

test-faults: $(READY)  ## processes killed at every point; FAULT_RUNS=200 FAULT_SECONDS=600 FAULT_EVENTS=100000 FAULT_SEED=n
	@$(SERVERS) $(BIN)/python -m pytest tests/faults

test-mutations: $(READY)  ## leaves out the guards one by one and shows which test turns red
	@$(BIN)/python -m tests.faults.mutations

check: $(READY)  ## lint, format, types, layers, migrations
	@$(BIN)/python -m dev.check

bench: $(READY)  ## a benchmark: NAME=outbound, SCALE=small or full
	@test -n "$(NAME)" || { echo "Say which one: make bench NAME=outbound"; exit 1; }
	@DURABLE=1 $(SERVERS) $(BIN)/python -m bench.$(NAME) --scale $(SCALE)

demo: $(READY)  ## plays the main job against a temporary instance and prints it
	@$(SERVERS) $(BIN)/python -m dev.demo

lock: $(READY)  ## renew the lock files after a change in pyproject.toml
	@test -x var/uv/bin/uv || { $(PYTHON) -m venv var/uv && var/uv/bin/pip install --quiet uv; }
	@$(BIN)/python -m dev.lock var/uv/bin/uv

clean:  ## remove the virtual environment and caches; data under var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*##/\1:/' | awk -F: '{printf "make %-15s%s\n", $$1, $$2}'

# The virtual environment is as new as the locks: changed locks install again, unchanged ones cost nothing.
$(READY): $(LOCKS) dev/install.py
	@$(or $(PYTHON),echo "Python 3.11 or newer is needed; name it with PYTHON=…" && false) dev/install.py
