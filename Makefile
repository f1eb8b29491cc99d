# Needs git, make and Python 3.11 or newer with venv; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
RECIPES := pyproject.toml constraints.txt
# One thread a process: two test workers on two cores would otherwise fight over them. Stealing keeps the tests
# of a file on one worker, which makes what they share once, and leaves neither waiting at the end.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg
PYTEST := $(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format bench clean python-check

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/installed-demo ## train on solar cells, report, inspect a few
	$(BIN)/brightfield demo

test: .venv/installed-dev ## run the tests, two at a time
	$(PYTEST)

test-slow: .venv/installed-dev ## run the tests that take longer
	$(PYTEST) -m slow

lint: .venv/installed-dev ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src benchmarks

format: .venv/installed-dev ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## say which benchmarks there are
	@found=0; for script in benchmarks/*.py; do \
		grep -qs __main__ "$$script" || continue; found=1; \
		printf '$(BIN)/python %s\n    ' "$$script"; \
		sed -n '/"""/{s/^[^"]*"""//;s/""".*//;p;q;}' "$$script"; \
	done; [ $$found = 1 ] || echo "there are no scripts in benchmarks/ yet"

clean: ## remove the environment, caches and builds
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written only once everything is in place, so that a stopped install is begun again.
.venv/installed-demo: EXTRAS := demo
.venv/installed-dev: EXTRAS := dev
.venv/installed-demo .venv/installed-dev: $(RECIPES) | python-check
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

python-check:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
		echo "make: '$(PYTHON)' is not there; Brightfield needs Python 3.11 or newer" \
			"(Debian: apt-get install python3 python3-venv), or name one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1); Brightfield needs Python 3.11 or newer;" \
			"name another one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: '$(PYTHON)' cannot make virtual environments (its venv or ensurepip module is missing);" \
			"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
