# Two commands matter: `make lab` opens the quickstart, `make test` checks everything. Both start from a bare
# clone: they make .venv, fetch what they need and stop at the first thing that fails.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV   := .venv
PY     := $(VENV)/bin/python
BUNDLE := dspex_widgets/static/widget.js
FRONT  := $(shell find js/src -type f -not -name '*.test.ts*' 2>/dev/null) $(wildcard js/*.mjs js/tsconfig.json)
ARGS   ?=

# The first Python that is new enough; `make lab PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

say = @printf '\n== %s\n' "$(1)"

# --------------------------------------------------------------------------------- the two commands

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1#\2/p' $(MAKEFILE_LIST) | column -t -s '#'

.PHONY: lab
lab: $(VENV)/.stamp-lab $(BUNDLE) ## Open the quickstart in JupyterLab; ARGS="--no-browser" on a remote machine
	$(call say,JupyterLab; end it with Ctrl-C)
	@$(VENV)/bin/jupyter lab --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/01_quickstart.ipynb \
	  $$([ "$$(id -u)" = 0 ] && echo --allow-root) $(ARGS)

.PHONY: test
test: $(VENV)/.stamp-dev chromium $(BUNDLE) lint typecheck contracts front-test unit notebooks-test browser-test ## Check everything: lint, types, floors, tests, notebooks, front end, browser
	$(call say,Everything passed)

# ------------------------------------------------------------------------------------- environments

$(PY):
	$(call say,Python environment in $(VENV))
	@[ -n "$(PYTHON)" ] || { echo 'dspex needs Python 3.11 or newer, and none was found. Install one, or name it: make lab PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'This Python cannot make an environment; on Debian: apt-get install python3-venv' >&2; exit 1; }

$(VENV)/.stamp-lab: pyproject.toml constraints.txt | $(PY)
	$(call say,Python packages: JupyterLab and dspex)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab]'
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(PY)
	$(call say,Python packages: everything the tests need)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab,plot,dev]'
	@touch $@ $(VENV)/.stamp-lab

js/node_modules/.stamp: js/package.json js/package-lock.json
	$(call say,Front-end packages)
	@command -v npm >/dev/null || { echo 'The front end is built with Node.js 20 or newer and npm; install them first.' >&2; exit 1; }
	@cd js && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BUNDLE): $(FRONT) js/package.json js/package-lock.json | js/node_modules/.stamp
	$(call say,Front end)
	@cd js && npm run --silent build
	@touch $@

.PHONY: chromium
chromium:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  printf '\n== %s\n' 'Chromium from Debian'; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium >/dev/null; \
	else \
	  echo 'The browser tests need Chromium: install it, for instance with apt-get install chromium as root.' >&2; exit 1; \
	fi

# --------------------------------------------------------------------------------------- the checks

.PHONY: lint
lint: $(VENV)/.stamp-dev ## Lint and look at the format
	$(call say,Lint and format)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

.PHONY: typecheck
typecheck: $(VENV)/.stamp-dev ## Check the Python types
	$(call say,Types)
	@$(PY) -m mypy

.PHONY: contracts
contracts: $(VENV)/.stamp-dev ## Check that every file imports only from floors below its own
	$(call say,Floors of the house)
	@$(VENV)/bin/lint-imports --no-cache --no-logo

.PHONY: unit
unit: $(VENV)/.stamp-dev $(BUNDLE) ## Run the Python tests; ARGS goes to pytest
	$(call say,Python tests)
	@$(PY) -m pytest -q $(ARGS)

.PHONY: notebooks-test
notebooks-test: $(VENV)/.stamp-dev $(BUNDLE) ## Execute every notebook and compare with its stored outputs
	$(call say,Notebooks)
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	HOME=$$home DSPEX_HOME=$$home/dspex DSPEX_CACHE_DIR=$$home/cache $(abspath $(PY)) -m pytest -q --timeout=120 \
	  --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg -p no:cacheprovider notebooks

.PHONY: front-test
front-test: js/node_modules/.stamp ## Check and test the front end
	$(call say,Front end: types)
	@cd js && npm run --silent check
	$(call say,Front end: tests)
	@cd js && npm run --silent test

.PHONY: browser-test
browser-test: $(VENV)/.stamp-dev $(BUNDLE) chromium ## Drive a real JupyterLab in Chromium
	$(call say,Browser tests)
	@$(PY) -m pytest -q -m browser tests/browser

# --------------------------------------------------------------------------------- making and tidying

.PHONY: build
build: $(VENV)/.stamp-dev $(BUNDLE) ## Build the front end and the wheel into dist/
	$(call say,Wheel)
	@rm -rf dist && $(PY) -m build --wheel --outdir dist . >/dev/null
	@ls dist

.PHONY: bench
bench: $(VENV)/.stamp-dev ## Measure what must stay fast
	$(call say,Measurements)
	@$(PY) -m tests.bench

.PHONY: freeze
freeze: $(VENV)/.stamp-lab $(BUNDLE) ## Execute the notebooks anew and keep their outputs
	$(call say,Notebooks)
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	cd notebooks && HOME=$$home DSPEX_HOME=$$home/dspex DSPEX_CACHE_DIR=$$home/cache \
	  $(abspath $(VENV))/bin/jupyter nbconvert --log-level=ERROR --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False *.ipynb

.PHONY: types
types: $(VENV)/.stamp-dev ## Write the TypeScript types anew from the Python events
	$(call say,js/src/wire/types.ts)
	@$(PY) -c 'from pathlib import Path; from dspex_widgets.protocol import write_types; write_types(Path("js/src/wire/types.ts"))'

.PHONY: fmt
fmt: $(VENV)/.stamp-dev ## Format, and mend what can be mended
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

.PHONY: lock
lock: ## Write constraints.txt anew: the newest versions that fit, to be tested before they are kept
	$(call say,constraints.txt)
	@new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	$(PYTHON) -m venv $$new && $$new/bin/pip install --quiet --disable-pip-version-check '.[lab,plot,dev]' && \
	{ echo '# The exact versions that were tested. `make lock` writes this file; it holds no address and no hash.'; \
	  $$new/bin/pip list --format=freeze --exclude dspex --exclude pip --exclude setuptools --exclude wheel; } \
	  > constraints.txt

.PHONY: clean
clean: ## Remove what was built; the environments stay
	@rm -rf dist dspex_widgets/static .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage
	@find dspex dspex_widgets tests -name __pycache__ -type d -prune -exec rm -rf {} +
