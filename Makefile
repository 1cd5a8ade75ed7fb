# `make demo` and `make test` are all a newcomer needs; each installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
.DEFAULT_GOAL := help
.PHONY: help demo test check fix audit docs install clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18

demo: $(READY)  ## train, score and map a real scene, in under 5 minutes
	$(BIN)/instageo demo

test: $(READY)  ## run every test
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

check: $(READY)  ## format, lint, types, import rules and the fast tests, in under 3 minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

fix: $(READY)  ## repair format and lint where that can be done by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(READY)  ## look for weaknesses in the code, and in the packages (asks PyPI)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive instageo scripts
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

docs: $(READY)  ## build the documentation in build/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

install: $(READY)  ## make .venv and install the project with all that development needs

$(READY): pyproject.toml constraints.txt scripts/install.sh
	@sh scripts/install.sh "$(PYTHON)" "$(VENV)"
	@touch $@

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build
