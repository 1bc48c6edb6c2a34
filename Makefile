# PYTHON makes the environment and VENV is where it goes, for example:
#   make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# How many slow tests run at a time, on however many cores: most of them wait for real time to pass.
SLOW_WORKERS ?= 6
STAMP := $(VENV)/.installed
NODE_STAMP := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once test test-unit lint lint-infra package simulate bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) $(NODE_STAMP) ## make the environment in .venv, and Azurite in node_modules; quick when nothing changed

$(STAMP): requirements-dev.lock pyproject.toml .ci/check-python
	@.ci/check-python "$(PYTHON)"
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -r requirements-dev.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Azurite is for the tests of the adapters for Azure alone, and the parser for those of the queries in infra; everything
# else works without Node.js.
$(NODE_STAMP): package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "installing Azurite into node_modules ..."; npm ci --silent --no-audit --no-fund && touch $@; \
	else \
	  echo "npm wasn't found, so the tests against Azurite are left out: install Node.js 20 or newer, then 'make setup'"; \
	fi

demo: $(STAMP) ## watch two mailboxes being kept in step, with no cloud account
	@$(BIN)/tandem demo

demo-once: $(STAMP)
	@$(BIN)/tandem demo --once

test: setup lint ## lint, then every test, with the coverage of the engine (the slow ones without, it would triple them)
	@$(BIN)/python -m pytest --numprocesses auto -m "not slow" --cov --cov-report=term
	@$(BIN)/python -m pytest --numprocesses $(SLOW_WORKERS) --maxschedchunk 1 -m slow

test-unit: $(STAMP)
	@$(BIN)/python -m pytest --numprocesses auto tests/unit

lint: $(STAMP) ## ruff, mypy and import-linter
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# checkov is large and of use here alone, so it has an environment of its own. It passes over a file that it can't read.
lint-infra: ## checkov over the deployment template (the first time, 300 MB go into .venv-checkov)
	@test -x .venv-checkov/bin/checkov || { "$(PYTHON)" -m venv .venv-checkov && \
	  .venv-checkov/bin/python -m pip install -qq --disable-pip-version-check checkov==3.3.30; }
	@told=$$(.venv-checkov/bin/checkov --config-file infra/.checkov.yaml --directory infra); status=$$?; echo "$$told"; \
	  case "$$told" in *"Parsing errors: "[1-9]*) exit 1 ;; esac; exit $$status

package: $(STAMP) ## write what is deployed to dist/tandem.zip; azd makes the same by itself
	@$(BIN)/python -m tests.support.package dist/tandem.zip

simulate: $(STAMP) ## run random people, faults and crashes against the whole product
	@$(BIN)/tandem simulate

bench: $(STAMP) ## measure time, requests, processor and memory anew, into docs/performance.md (an hour and more)
	@$(BIN)/python -m tests.bench.page

lock: ## pin the dependencies of pyproject.toml anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: run 'pip install uv'"; exit 1; }
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --custom-compile-command "make lock" \
	  pyproject.toml -o requirements.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --custom-compile-command "make lock" \
	  pyproject.toml --extra dev -c requirements.txt -o requirements-dev.lock

clean: ## remove the environments and everything that was generated
	rm -rf .venv .venv-* node_modules build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
