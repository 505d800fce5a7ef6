# make run     plays: sets everything up, then runs it on http://localhost:8000 (ARGS="--port 9000" passes options on)
# make test    tests everything
# make check   lints, types, formats, architecture; under a minute
# make sim     plays seeds of simulated clusters: make sim SEED=1 N=1000 (TRACE=1: one seed, all of it)
# make lock    pins the Python packages anew; make clean removes what was set up (not the data in .arena)

.DEFAULT_GOAL := help
.PHONY: help run test sim check check-python check-web lock format clean need-node
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
WEB := clients/web
MODULES := $(WEB)/node_modules/.arena-stamp
ARGS ?=
PYTEST_ARGS ?=
# These measure how a whole installation keeps up with real time: nothing else runs beside them.
ALONE := tests/faults tests/load tests/e2e
# Where make can, the output of things done side by side is kept apart.
SIDE_BY_SIDE := -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# The first Python that is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

help:
	@sed -n 's/^# //p' Makefile | head -6

run: $(VENV)/run.stamp
	@exec $(PY) -m arena up $(ARGS)

test: $(VENV)/dev.stamp $(MODULES)
	@$(PY) -m arena.webbuild
	@cd $(WEB) && npm test
	@$(PY) -m pytest -n auto --maxprocesses=8 --dist=worksteal $(ALONE:%=--ignore=%) $(PYTEST_ARGS)
	@$(PY) -m pytest $(ALONE)

SEED ?= 1
N ?= 100

sim: $(VENV)/dev.stamp
	@$(PY) -m tests.sim --seed $(SEED) --count $(N) $(if $(TRACE),--trace)

check: $(VENV)/dev.stamp $(MODULES)
	@$(MAKE) $(SIDE_BY_SIDE) check-python check-web
	@echo "Everything is in order."

check-python:
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy
	@$(PY) -m protocol.typescript --check
	@$(PY) -m pytest -q tests/architecture

check-web:
	@cd $(WEB) && npm run --silent lint && npm run --silent types && npm run --silent format

format: $(VENV)/dev.stamp $(MODULES)
	@$(PY) -m ruff check --fix-only --quiet . ; $(PY) -m ruff format --quiet .
	@cd $(WEB) && npx prettier --write --log-level=warn .

# ---- setting up: each once, until what it was made from changes ----

$(VENV)/run.stamp: requirements/run.txt Makefile | $(VENV)/bin/python
	@echo "Installing the Python packages (only when they change) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(PY) -I arena/link.py
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt Makefile | $(VENV)/bin/python
	@echo "Installing the Python packages for development (only when they change) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(PY) -I arena/link.py
	@touch $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer is missing. Debian 12, Ubuntu 24.04 and newer: sudo apt-get install python3 python3-venv;"; \
		echo "elsewhere: https://www.python.org/downloads/ . Then run make again (PYTHON=/path/to/python3.11 names one)."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. Debian, Ubuntu: sudo apt-get install python3-venv. Then run make again."; exit 1; }
	@echo "Making the virtual environment $(VENV) with $(PYTHON) …"
	@"$(PYTHON)" -m venv $(VENV)

$(MODULES): $(WEB)/package-lock.json | need-node
	@echo "Installing the web client's packages (only when they change) …"
	@cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error
	@$(PY) -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest(), end="")' $< > $@

need-node:
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
		&& command -v npm >/dev/null || { \
		echo "Node.js 20.19 or newer (with npm) is missing: it builds and tests the web client."; \
		echo "Debian 13, Ubuntu 25.04 and newer: sudo apt-get install nodejs npm; elsewhere: https://nodejs.org/en/download . Then run make again."; exit 1; }

lock:
	@test -x .venv-lock/bin/uv || { "$(PYTHON)" -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	@.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--no-emit-index-url --no-emit-find-links -o requirements/run.txt pyproject.toml
	@.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--no-emit-index-url --no-emit-find-links -c requirements/run.txt --group dev -o requirements/dev.txt pyproject.toml
	@cd $(WEB) && npm install --package-lock-only --no-audit --no-fund

clean:
	@rm -rf $(VENV) .venv-lock $(WEB)/node_modules $(WEB)/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
