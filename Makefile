# `make demo` runs the main job, `make test` the tests. Each makes what it needs first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint format bench system lock screenshots clean help

help:
	@echo "make demo   the simulated procedure (a window; without a display: demo-output/)"
	@echo "make test   the tests        make lint   style, types, floors"
	@echo "make bench  speed and detection, beside peers in the same run"

system:
	@sh .ci/system-libraries

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || \
	  { echo "Python 3.11 to 3.13 is needed, and $(PYTHON) is not: install it (Debian, Ubuntu:"; \
	  echo "apt-get install python3-venv), or name the one to use: make PYTHON=python3.12 ..."; exit 1; }
	@test -w . || { echo "$(CURDIR) cannot be written to, and the environment goes into it: copy the"; \
	  echo "project to a folder of your own"; exit 1; }
	@PYTHON=$(PYTHON) $(MAKE) --no-print-directory system
	@test -x $(RUN)/pip || $(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make an environment: install its venv module (python3-venv)"; exit 1; }
	@echo "Installing locked dependencies into $(VENV) ..."
	@{ $(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --no-deps --only-binary :all: -r requirements.lock && \
	  $(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation -e .; } || \
	  { echo "The dependencies could not be installed: check the network, then run make again"; exit 1; }
	@touch $@

demo: $(STAMP) | system
	$(RUN)/sln-guide demo --output demo-output

test: $(STAMP) | system
	$(RUN)/python -m pytest

lint: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: $(STAMP)
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: $(STAMP) | system
	$(RUN)/sln-guide bench

screenshots: $(STAMP) | system
	$(RUN)/python docs/make_screenshots.py

# Needs `uv` (only for whoever changes dependencies).
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --extra dev -q -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) demo-output bench-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
