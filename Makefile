# make install | run | test | lint | bench      (docs: README.md)
.DEFAULT_GOAL := help
.PHONY: help install install-dev run test lint format bench bench-chat bench-hooks faults lock screenshots clean check-machine

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VENDOR := ui/static/vendor/.installed

help:
	@echo "make run    start the desk on http://127.0.0.1:8000 (installs what it needs first)"
	@echo "make test   run the whole test suite"
	@echo "make lint   types, style, import directions"
	@echo "make bench  measure, each figure beside its yardstick"
	@echo "make bench-chat   measure the chat and the FAQs: 20 chats a second, then 10,000 FAQs and 2,000 idle visitors"
	@echo "make bench-hooks   50 signed webhooks a second for a minute, then as many as are confirmed in time"
	@echo "make faults   2,000 messages over all channels while everything goes wrong (docs/faults.md; MESSAGES=... SEED=...)"
	@echo "make screenshots   take the README's pictures from a desk of their own (FOLDER=... for every page)"
	@echo "make lock   resolve the dependencies anew"

check-machine:
	@command -v $(PYTHON) >/dev/null || { echo "Missing: $(PYTHON). Install Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Missing: the venv module of $$($(PYTHON) --version). On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(BIN)/python: | check-machine
	$(PYTHON) -m venv $(VENV)

# The lock is installed as it is, without resolving: every file is checked against its hash.
$(VENV)/.runtime: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(VENDOR): ui/package.json ui/package-lock.json ui/vendor.py | $(VENV)/.runtime
	$(BIN)/python ui/vendor.py
	@touch $@

install: $(VENV)/.runtime $(VENDOR)

install-dev: install $(VENV)/.dev

run: install
	@$(BIN)/desk up

test: install-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev
	$(BIN)/desk bench

bench-chat: install-dev
	$(BIN)/python -m tests.connectors.widget.load --faqs 500 --rate 20 --seconds 60
	$(BIN)/python -m tests.connectors.widget.load --faqs 10000 --idle 2000

bench-hooks: install-dev
	$(BIN)/python -m tests.faults.hooks --rate 50 --seconds 60 --most

faults: install-dev
	$(BIN)/python -m tests.faults --messages $(or $(MESSAGES),2000) --seed $(or $(SEED),7)

screenshots: install-dev
	$(BIN)/python -m tests.whole.screenshots $(if $(FOLDER),$(FOLDER),docs/pictures --readme)

lock: $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	sh scripts/lock.sh $(BIN)/uv

clean:
	rm -rf $(VENV) ui/static/vendor ui/node_modules
