# Two commands carry a newcomer: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test check bench docs format clean

demo: $(STAMP)
	$(BIN)/verger demo verger-demo

# Where the connector cannot be fetched, the tests that need it are skipped by name.
test: check
	-$(BIN)/python scripts/fetch_connectors.py
	$(BIN)/python scripts/install_chromium.py
	$(BIN)/python -m pytest -q tests/serve
	$(BIN)/python -m pytest -q tests/spark

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python -m pytest -q tests/unit tests/report

bench: $(STAMP)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reduction

docs: $(STAMP)
	$(BIN)/python scripts/reference.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Verger needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/verger prepare
	@touch $@

clean:
	rm -rf $(VENV) verger-demo build dist src/*.egg-info
