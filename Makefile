# relayd: `make run` shows it, `make test` proves it.
#
# Needs a Python of 3.11 or later, found as python3 or named with PYTHON=...; everything else goes into .venv, at the
# versions and hashes of requirements/*.lock.  Nothing needs a virtualenv to be active, a terminal, or root.

PYTHON ?= python3
VENV   ?= .venv
CONFIG ?= config/development.toml
PYTEST ?=
BENCH  ?=
FAULTS ?=

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# -qq: what a machine's own pip configuration makes pip warn about is no concern of this project; errors still show.
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --no-input -qq

.PHONY: help run test check docs long faults bench site deb lock sbom clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-8s%s\n' "$$name" "$$text"; done

run: $(VENV)/run.stamp ## Start relayd with a demo swarm
	@mkdir -p var
	exec $(VENV)/bin/relayd serve --config $(CONFIG)

test: install-missing check ## Everything that must hold before a commit: programs, checks, tests with coverage
	$(VENV)/bin/python -m pytest -n 4 --dist loadfile --cov --cov-report=term $(PYTEST) </dev/null

check: $(VENV)/dev.stamp ## Lint, format, types, floors, generated docs, known holes
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check --quiet
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/python scripts/docs --check
	$(VENV)/bin/python scripts/audit

docs: $(VENV)/dev.stamp ## Write the documents that are made out of the code
	$(VENV)/bin/python scripts/docs

long: install-missing $(VENV)/dev.stamp ## The tests that take minutes
	$(VENV)/bin/python -m pytest -m long --timeout 1800 $(PYTEST) </dev/null

faults: install-missing $(VENV)/dev.stamp ## Every fault, and long random courses of them (FAULTS="--seed 42 --minutes 10 --kills 100")
	$(VENV)/bin/python -m pytest tests/faults -m "long or not long" --timeout 7200 -s $(FAULTS) $(PYTEST) </dev/null

bench: $(VENV)/bench.stamp ## Measure it beside the limit and its peers (BENCH="--quick --rows delivery"; see --help)
	@scripts/install-bench
	$(VENV)/bin/python -m benchmarks $(BENCH) </dev/null

site: $(VENV)/dev.stamp ## Build the documentation as a site, in build/site/
	$(VENV)/bin/python scripts/site

deb: ## Build dist/relayd_….deb, for Debian's Python (see docs/install.md)
	scripts/deb

lock: ## Write requirements/*.lock anew, with the newest versions that pyproject.toml allows
	PYTHON=$(PYTHON) scripts/lock

sbom: $(VENV)/dev.stamp ## Write what a release is made of: dist/relayd-<version>.cdx.json (CycloneDX)
	$(VENV)/bin/python scripts/sbom

clean: ## Remove what these targets made, the virtualenv included
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find relayd tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: install-missing
install-missing:
	@PYTHON=$(PYTHON) scripts/install-missing

# An interpreter that is gone (a moved checkout, an upgraded system) makes the virtualenv useless, so it is tried.
$(VENV)/run.stamp $(VENV)/dev.stamp $(VENV)/bench.stamp: $(VENV)/%.stamp: requirements/%.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "relayd needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0] + "; name another: make PYTHON=/path/to/python3.11 ...")'
	@$(VENV)/bin/python -c 'import pip' 2>/dev/null || { echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing $<"
	@# --no-deps: the lock is whole, and pip 23 resolves `name[extra]` past the pin of `name` once a newer one is out.
	@$(PIP) install --no-deps --require-hashes -r $< </dev/null
	@$(PIP) install --no-deps --no-build-isolation -e . </dev/null
	@told=$$($(VENV)/bin/python -m pip --disable-pip-version-check check) || { echo "$$told"; exit 1; }
	@touch $@
