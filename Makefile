# make app    install what is missing and open the app      make app PORT=8600 HEADLESS=1
#             make app HOST=0.0.0.0 serves the network       WAKEWORD_TOKEN=off make app asks for no token
# make test   install what is missing, run all tests        make setup   only install
# make test-fast  tests of data, configurations, pages and the engine, in a minute or two: no browser, few processes
# make test-gpu  the tests that need a GPU, a part of make test where there is one
# make docs   build the documentation into site/
# make bench  measure how fast trainings run on this machine; takes three minutes
PYTHON ?= python3.11
PORT ?= 8501
HEADLESS ?=
# Never from the environment, where some shells put the machine's name: the network is served only when that is asked for.
HOST := 127.0.0.1

BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: setup app test test-fast test-gpu soak bench bench-runs detector-wheel docs lint format lock

setup: $(INSTALLED)

$(INSTALLED): requirements.lock tests/openwakeword.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 to 3.13, or name one: make setup PYTHON=python3"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r tests/openwakeword.lock
	touch $(INSTALLED)

app: setup
	$(BIN)/python -m streamlit run app.py --server.address $(HOST) --server.port $(PORT) --server.headless $(if $(HEADLESS),true,false) --logger.hideWelcomeMessage true

# Bytecode is written, also where the environment forbids it: else each process that tests start compiles all it imports.
test test-fast test-gpu: export PYTHONDONTWRITEBYTECODE =

# Two tests at a time, as there are cores on the smallest machine: promises of seconds are kept beside another test too.
test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python -m pytest tests/gpu

# Without the tests that measure time and memory of trainings.
FAST := audio config engine estimates pages streams
test-fast: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/engine/test_speed.py $(addprefix tests/,$(FAST))

test-gpu: setup
	$(BIN)/python -m pytest tests/gpu

# Every promise of training control at full length; `make soak ARGS="--promise P8"` for one.
soak: setup
	$(BIN)/python -m soak $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks.training_speed

# How long runs take to be listed and their curves to be opened, beside TensorBoard, MLflow and trackio on the same numbers.
bench-runs: setup
	$(BIN)/python -m benchmarks.run_list
	$(BIN)/python -m benchmarks.curves

# The detector alone, for pip on another machine.
detector-wheel: setup
	$(BIN)/python -m trainer.detector.wheel dist

# NO_MKDOCS_2_WARNING: a notice about versions to come, which is no finding about these pages.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Write the exact versions for the ranges in pyproject.toml, with hashes, for every platform.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements.lock
