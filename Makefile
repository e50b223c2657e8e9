# Three commands carry a newcomer: `make demo`, `make check`, `make test`. Each sets up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
# Verger and all its extras: what the README shows.
ALL := $(VENV)/.installed
# The tools for development too.
STAMP := $(VENV)/.ready
# Half a minute, for what starts Spark again and again.
ARCHIVE := $(VENV)/.archived
# Spark 3.5, as EMR 7 has it, beside the newest; it knows no Python newer than 3.11.
VENV35 := .venv-spark35
STAMP35 := $(VENV35)/.ready
ARCHIVE35 := $(VENV35)/.archived
# uv, which is installed where it is not there; `make UV= …` insists on pip.
UV := $(shell command -v uv 2>/dev/null || echo get)
set_up = $(PYTHON) scripts/set_up.py --uv "$(UV)"
packages = $$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
OLD_ENOUGH := $(shell $(PYTHON) -c 'import sys; print("yes" if sys.version_info[:2] == (3, 11) else "")')

# Three processes on two cores: servers and those who are killed wait as often as they compute; and
# four where each begins and ends Sparks. A file's tests stay together, for what they share. Threads
# of BLAS, as many as there are cores in each, would wait for one another. No test is schemathesis'
# or anyio's own, whose plugins take seconds to import in each process.
PYTEST := -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations 20 \
  -p no:schemathesis -p no:anyio
# The rooms among whose tests some need Spark.
WITH_SPARK := $(addprefix tests/,pipeline ml spark cli demo notebook interface)
WITHOUT := --ignore tests/ml
# Of the server and the cloud, the quick tests have what starts no server and no account.
QUICK := tests/serve/test_decisions.py tests/cloud/test_plan.py tests/cloud/test_prices.py
BESIDES := $(filter-out $(QUICK),$(wildcard tests/serve/test_*.py tests/cloud/test_*.py))

test-quick test-unit test-serve test-cloud test-spark test-spark35: export OPENBLAS_NUM_THREADS := 1
# Compiled once, not by each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint test-quick test-unit test-long test-export debian chromium test-serve test-cloud test-spark test-spark35 bench bench-installs bench-peers docs site dist format clean

demo: $(ALL)
	$(BIN)/verger demo verger-demo

# What the tests need waits for the network as often as it computes: side by side with the linters.
test:
	$(MAKE) --jobs=3 chromium $(and $(OLD_ENOUGH),$(ARCHIVE35)) $(ARCHIVE) debian lint
	$(MAKE) test-unit test-spark test-spark35

chromium:
	@$(PYTHON) scripts/install_chromium.py

test-serve: $(STAMP) chromium
	$(BIN)/python $(PYTEST) tests/serve

# After Chromium: apt does one thing at a time.
debian: $(MADE) chromium
	$(BIN)/python scripts/install_debian_root.py

test-cloud: $(STAMP) debian
	$(BIN)/python $(PYTEST) tests/cloud

test-spark: $(ARCHIVE)
	$(BIN)/python $(PYTEST) -n 4 -m spark $(WITH_SPARK)

ifdef OLD_ENOUGH
test-spark35: $(ARCHIVE35)
	$(VENV35)/bin/python $(PYTEST) -n 4 -m any_spark $(WITH_SPARK)
else
test-spark35:
	@echo "Skipped: the tests with Spark 3.5 need Python 3.11 (make PYTHON=python3.11 test-spark35)"
endif

# The types are checked beside the tests: the first time, that takes a core a minute.
check: $(STAMP)
	$(MAKE) --jobs=2 lint test-quick

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python scripts/server_wheels.py --check
	$(BIN)/python scripts/cloud_costs.py --check
	$(BIN)/python scripts/draw_cloud.py --check
	$(BIN)/python scripts/draw_architecture.py --check

# No Spark, and nothing that takes seconds.
test-quick: $(STAMP)
	$(BIN)/python $(PYTEST) -m "not spark and not slow and not long and not torch" $(WITHOUT) \
	  $(BESIDES:%=--ignore %) tests

# All that needs no Spark, in one session: what waits for a server or a cloud leaves its core.
test-unit: $(STAMP) debian chromium
	$(BIN)/python $(PYTEST) -m "not spark and not long and not torch" $(WITHOUT) tests

# Two runs on one bucket, one of them held at each request in turn: a quarter of an hour.
test-long: $(STAMP)
	$(BIN)/python $(PYTEST) -m long tests/store

# Networks of timm: torch weighs some GB, and has an environment of its own.
test-export: $(STAMP)
	$(set_up) .venv-export
	$(set_up) .venv-export -- -c constraints.txt -e '.[export]' \
	  hypothesis pillow-heif pytest pytest-timeout pytest-xdist
	.venv-export/bin/python $(PYTEST) -m torch tests/embed/test_torch_models.py

bench: $(ARCHIVE)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reduction
	$(BIN)/python -m benchmarks.buckets
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.engines

# Daft, Ray and TensorFlow, in environments of their own. Less: make bench-peers ARGS='--peers daft'
bench-peers: $(ARCHIVE)
	$(BIN)/python -m benchmarks.peers $(ARGS)

# An installation of each kind, with nothing cached: minutes, and the network.
bench-installs: $(STAMP)
	$(BIN)/python -m benchmarks.installs $(ARGS)

# What a release consists of: sdist and wheel.
dist: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation

docs: $(STAMP)
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/server_wheels.py
	$(BIN)/python scripts/cloud_costs.py
	$(BIN)/python scripts/draw_cloud.py
	$(BIN)/python scripts/draw_architecture.py

site: $(STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees -b html . build/site
	@echo "build/site/docs/index.html"

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(MADE):
	@$(set_up) $(VENV)
	@touch $@

$(ALL): pyproject.toml constraints.txt | $(MADE)
	@$(set_up) $(VENV) -- -c constraints.txt -e '.[all]'
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(MADE)
	@$(set_up) $(VENV) -- -c constraints.txt -e '.[dev]'
	@touch $(ALL) $@

$(ARCHIVE): $(STAMP)
	$(BIN)/verger prepare
	@touch $@

# It has Spark and its Java; all else is that of .venv, which comes after it on the path.
$(STAMP35): constraints-spark35.txt | $(MADE)
	@$(set_up) $(VENV35)
	@$(set_up) $(VENV35) -- --no-deps -r constraints-spark35.txt
	@printf '%s\n' "$(call packages,$(VENV))" "$(CURDIR)/src" \
	  > "$(call packages,$(VENV35))/shared.pth"
	@touch $@

$(ARCHIVE35): $(STAMP) $(STAMP35)
	$(VENV35)/bin/python -m verger prepare
	@touch $@

clean:
	rm -rf $(VENV) $(VENV35) .bench .venv-export verger-demo build dist src/*.egg-info
