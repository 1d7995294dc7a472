# Every target needs python3 (3.11 or newer), git and make, and writes only inside this checkout.
#
#   make demo        run the demonstration sprint (installs the run-time pins on first use)
#   make test        run the tests            make e2e        drive the command line end to end
#   make lint        style and format         make typecheck  strict types
#   make contracts   who may import whom      make bench      measure the overhead against a plain loop
#   make clis        install the coding agents that `make e2e` drives (npm; into ~/.cache/mawep)
#   make e2e-forge   runs with servers that stand for GitHub
#   make forge-servers  install those servers (npm and a Node; into ~/.cache/mawep)
#   make agents-table   write what `make e2e` found out about them into docs/agents.md
#   make check       all of the above but the benchmark
#
# PYTHON=…  interpreter to build the environment with     VENV=…  where the environment lives
# ARGS=…    passed on to pytest or to `mawep demo`

VENV ?= .venv
ARGS ?=
UV ?= uv

# An interpreter that somebody names is the one used; the search is for when nobody does.
ifdef PYTHON
CANDIDATES := $(PYTHON)
else
CANDIDATES := python3 python3.13 python3.12 python3.11
endif

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
EDITABLE := $(PIP) --no-deps --no-build-isolation --editable .

.PHONY: demo test e2e e2e-forge clis forge-servers agents-table lint format typecheck contracts bench check locks
.DEFAULT_GOAL := test
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	$(BIN)/mawep demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto -m "not e2e and not chaos and not clis and not forge" $(ARGS)

e2e: $(VENV)/.dev
	@clis=$$($(BIN)/python -m tests.clis) && export MAWEP_CLIS="$$clis" && set -x && \
	$(BIN)/python -m pytest -n auto -m "(e2e or chaos or clis) and not forge" $(ARGS)

e2e-forge: $(VENV)/.dev
	@forge=$$($(BIN)/python -m tests.forge) && export MAWEP_FORGE_SERVERS="$$forge" && set -x && \
	$(BIN)/python -m pytest -n auto -m forge $(ARGS)

clis: $(VENV)/.dev
	@$(BIN)/python -m tests.clis

forge-servers: $(VENV)/.dev
	@$(BIN)/python -m tests.forge

agents-table: $(VENV)/.dev
	$(BIN)/python -m tests.clis.table

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(VENV)/.dev
	$(BIN)/mypy --strict

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.overhead $(ARGS)

check: lint typecheck contracts test e2e e2e-forge

# Both stamps describe one environment: the development pins contain the run-time ones. They are complete, so pip
# need not resolve anything: an old one looks for newer versions of what is named with an extra.
$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt requirements/build.txt pyproject.toml
	$(PIP) --no-deps --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt pyproject.toml
	$(PIP) --no-deps --require-hashes -r requirements/dev.txt
	$(EDITABLE)
	@touch $(VENV)/.runtime $@

# A candidate is tried by running it: a version manager leaves names on PATH that do not start.
$(VENV)/.made:
	@found=; \
	for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer found (tried: $(CANDIDATES));" \
	       "install one or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "make: $$found cannot make virtual environments (no ensurepip);" \
	       "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$found ($$("$$found" -c 'import platform; print(platform.python_version())'))"; \
	"$$found" -m venv "$(VENV)"
	@touch $@

LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

locks:
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	printf 'hatchling\neditables\n' | $(LOCK) - -c requirements/dev.txt -o requirements/build.txt
