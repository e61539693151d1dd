# gen3sync: `make demo` shows it at work, `make test` proves it. Both make their own virtual environment first;
# a machine with Python 3.11 or newer is enough.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.gen3sync-installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint types floors tests crash soak bench man capture format constraints clean

help: ## what can be made here
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(STAMP) ## a commons in a box, a daemon, and TSVs dropped in the wrong order (under a minute)
	@$(BIN)/gen3sync demo

test: lint types floors tests ## everything below: lint, types, import floors, tests

lint: $(STAMP) ## ruff: lint and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

floors: $(STAMP) ## import-linter: the arrows between the rooms point down
	$(BIN)/lint-imports --no-cache

tests: $(STAMP) ## pytest on all cores
	$(BIN)/pytest -n auto --dist worksteal $(PYTEST_ARGS)

crash: $(STAMP) ## the long ones: hundreds of real kills, 10,000 files at once, deep runs of the state machines
	GEN3SYNC_KILLS=300 GEN3SYNC_EXAMPLES=500 GEN3SYNC_STEPS=30 GEN3SYNC_CROWD=10000 \
		$(BIN)/pytest -n auto tests/crash tests/scenario/test_outbox_machine.py tests/scenario/test_inbox_changes.py \
		tests/scenario/submission_faults/test_files.py::test_a_crowd_of_small_files $(PYTEST_ARGS)

soak: $(STAMP) ## a day of a daemon's life in ten minutes: thousands of drops, a fault every few seconds, flat and true
	GEN3SYNC_SOAK_ROUNDS=$(or $(ROUNDS),100) $(BIN)/pytest tests/soak $(PYTEST_ARGS)

bench: $(STAMP) ## measure both ways against the official SDK and curl (minutes; see docs/reference/benchmarks.md)
	$(BIN)/python -m benchmarks.submit new edited latency idle
	$(BIN)/python -m benchmarks.mirror --sizes 10000 200000

man: $(STAMP) ## write the man pages and shell completions in docs/ from the code
	@$(BIN)/python -m docs.manual

capture: $(STAMP) ## make the picture of `gen3sync status` in docs/ anew, from a daemon at work
	@$(BIN)/python -m docs.capture

format: $(STAMP) ## write the files as ruff likes them
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

constraints: $(STAMP) ## renew constraints-dev.txt from what is installed
	@sed -n '/^#/p' constraints-dev.txt > constraints-dev.txt.new
	@$(BIN)/python -m pip freeze --exclude-editable | LC_ALL=C sort -f >> constraints-dev.txt.new
	@mv constraints-dev.txt.new constraints-dev.txt

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find gen3sync tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints-dev.txt .ci/venv
	@sh .ci/venv $(VENV)
	@touch $@
