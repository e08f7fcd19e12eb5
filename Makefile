# Every target sets up what it needs: python3 (3.11+) with venv and pip is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PINNED := $(VENV)/.pinned
READY  := $(VENV)/.ready
PEERS  := $(VENV)/.peers

.DEFAULT_GOAL := help
.PHONY: help install lock format check test e2e contract bench bench-rate bench-memory bench-check bench-resume soak rehearsal demo emulator clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## the virtual environment in .venv, pinned by .ci/requirements.txt

$(READY): $(PINNED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(PINNED): .ci/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; try make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .ci/requirements.txt
	@touch $@

$(PEERS): $(READY) .ci/bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .ci/bench.txt
	@touch $@

LOCK = uv pip compile --universal --generate-hashes --no-header --quiet --upgrade

lock: ## renew .ci/requirements.txt and .ci/bench.txt (needs uv)
	$(LOCK) pyproject.toml --group dev -o .ci/requirements.txt
	$(LOCK) --group bench -c .ci/requirements.txt -o .ci/bench.txt

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(READY) ## lint, format, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) ## every test
	$(BIN)/pytest -n 2 tests

e2e: $(READY) ## only the tests that start the real command
	$(BIN)/pytest tests/e2e

# What `make contract NAME=...` hands on; credentials come from the environment.
ASKED = $(if $(ENDPOINT),--endpoint '$(ENDPOINT)') $(if $(PROJECT_ID),--project-id '$(PROJECT_ID)') \
        $(if $(IMAGE),--image '$(IMAGE)') $(if $(CLIENT),--client '$(CLIENT)') \
        $(if $(RATE),--rate '$(RATE)') $(if $(BURST),--burst) $(ARGS)

contract: $(READY) ## is a service what its documents say? ENDPOINT=, PROJECT_ID=, IMAGE=, CLIENT=ours|sdk, RATE=, BURST=1
	@PYTHONPATH=tests:tests/integration $(BIN)/python -m contract $(ASKED)

demo: $(READY) ## the main job on sample_data/ against the emulator
	$(BIN)/python sample_data/demo.py

emulator: $(READY) ## a local FRS on 127.0.0.1:8099
	$(BIN)/batch-updater emulator --port 8099

bench: $(PEERS) ## throughput and TLS against nginx, beside other clients: ARGS=
	$(BIN)/python -m benchmarks throughput $(ARGS)

bench-rate: $(READY) ## windows and use of a rate, counted at the server: ARGS=
	$(BIN)/python -m benchmarks rate $(ARGS)

bench-memory: $(READY) ## peak memory as rows grow: ARGS=
	$(BIN)/python -m benchmarks memory $(ARGS)

bench-check: $(READY) ## rows a second of check: ARGS=
	$(BIN)/python -m benchmarks check $(ARGS)

bench-resume: $(READY) ## resume and views of a long journal: ARGS=
	$(BIN)/python -m benchmarks resume $(ARGS)

soak: $(READY) ## the command for 20 minutes under faults: MINUTES=, RATE=
	@PYTHONPATH=tests $(BIN)/python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(ARGS)

rehearsal: $(READY) ## five nights of plan, apply, verify under faults and kills: NIGHTS=, FACES=
	@PYTHONPATH=tests $(BIN)/python -m rehearsal $(if $(NIGHTS),--nights $(NIGHTS)) $(if $(FACES),--faces $(FACES)) $(ARGS)

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage demo-run runs bench-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
