# Everything runs in .venv, which these targets make; test-min in .venv-min.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
MIN := .venv-min

.PHONY: demo check test shuffled mutants test-min coverage lint types docs dist clean

demo: $(VENV)/demo
	$(PY) -m benchmarks quickstart

# Linters, types, and the tests that bind the most; about a minute.
check: lint
	$(PY) -m pytest -n 2 -q $(addprefix tests/, heads utils joint contract/test_layout.py \
		contract/test_public_api.py contract/test_behaviour.py contract/test_new_method.py)

test: $(VENV)/dev
	$(PY) -m pytest -n 2

# In an order that is new each time; it stands at the top, and -p randomly
# --randomly-seed=N gives it again.
shuffled: $(VENV)/dev
	$(PY) -m pytest -n 2 -p randomly $(OPTIONS)

# Breaks the code in many small ways and counts those that no test sees. Takes hours;
# OPTIONS="plain files" are two of its groups, see .ci/mutants.py.
mutants: $(VENV)/dev
	$(PY) .ci/mutants.py $(OPTIONS)

# The suite with the lowest versions that pyproject.toml allows.
test-min: $(MIN)/dev
	$(MIN)/bin/python -m pytest -n 2 $(OPTIONS)

# Fails below the share of lines that pyproject.toml asks for.
coverage: $(VENV)/dev
	$(PY) -m pytest -n 2 --cov --cov-report=term

lint: types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib

docs: $(VENV)/docs
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

types: $(VENV)/dev
	$(PY) -m mypy

# Wheel and sdist, and the demo with that wheel in an environment of its own.
dist: $(VENV)/dev
	rm -rf dist
	$(PY) -m build
	PYTHON=$(PYTHON) .ci/demo_of_wheel

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e ".[plots]"
	touch $@

$(VENV)/dev: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e ".[dev]"
	touch $@

$(VENV)/docs: pyproject.toml | $(PY)
	$(PY) -m pip install -q -e ".[docs]"
	touch $@

# pip always takes the newest; uv can be asked for the lowest. The lowest matplotlib
# calls what pyparsing 3.3 warns of.
$(MIN)/dev: pyproject.toml
	$(PYTHON) -m venv $(MIN)
	$(MIN)/bin/python -m pip install -q uv
	$(MIN)/bin/uv pip install -q --python $(MIN)/bin/python \
		--resolution lowest-direct -e ".[dev]" "pyparsing>=3.1,<3.3"
	touch $@

clean:
	rm -rf $(VENV) $(MIN) dist docs/_build docs/gallery docs/generated
