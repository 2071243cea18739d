# Everything runs in .venv, which these targets make.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: demo test lint clean

demo: $(VENV)/demo
	$(PY) -m benchmarks.quickstart

test: $(VENV)/dev
	$(PY) -m pytest -n 2

lint: $(VENV)/dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e ".[plots]"
	touch $@

$(VENV)/dev: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
