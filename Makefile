# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv and installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
MATGL := .peers/matgl
MACE := .peers/mace
MLIP := .peers/mlip
SYMMETRIX := .peers/symmetrix
export OMP_NUM_THREADS ?= 1

.PHONY: demo test coverage long lint bench scatter clean

demo: $(VENV)/.installed
	$(PY) examples/demo.py

test: $(VENV)/.test
	$(PY) -m pytest -n 2 -m "not long"

# half as long again
coverage: $(VENV)/.test
	$(PY) -m pytest -n 2 -m "not long" --cov --cov-report=term:skip-covered

long: $(VENV)/.test
	$(PY) -m pytest -m long -s tests | tee benchmarks/long.log

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed $(MATGL)/.installed $(MACE)/.installed $(MLIP)/.installed $(SYMMETRIX)/.installed
	$(PY) benchmarks/batching.py
	$(PY) benchmarks/m3gnet_vs_matgl.py --peer $(MATGL)/bin/python
	$(PY) benchmarks/m3gnet_training_vs_matgl.py --peer $(MATGL)/bin/python
	$(PY) benchmarks/mace_vs_peers.py --mace $(MACE)/bin/python --symmetrix $(SYMMETRIX)/bin/python
	$(PY) benchmarks/mace_spice2_vs_mlip.py --peer $(MLIP)/bin/python
	$(PY) benchmarks/mace_batches.py
	$(PY) benchmarks/mace_training_vs_mace_torch.py --peer $(MACE)/bin/python
	$(PY) benchmarks/megnet_vs_matgl.py --peer $(MATGL)/bin/python
	$(PY) benchmarks/predict_workers.py

# torch-scatter compiles against the installed torch, for about five minutes
scatter: $(VENV)/.test
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation torch-scatter
	MLZOO_SEGMENTS=torch-scatter $(PY) -m pytest tests/nn tests/m3gnet

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) -e ".[test]"
	touch $@

$(VENV)/.lint: $(VENV)/.installed
	$(PIP) -e ".[test,lint]"
	touch $@

$(MATGL)/.installed: PACKAGE := matgl==4.1.2
$(MACE)/.installed: PACKAGE := mace-torch==0.3.16
$(MLIP)/.installed: PACKAGE := mlip==0.1.10
$(SYMMETRIX)/.installed: PACKAGE := symmetrix-xl==0.1.1 symmetrix-xl-cpu-avx512==0.1.1 mace-torch==0.3.16
.peers/%/.installed: constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PACKAGE)
	touch $@

clean:
	rm -rf $(VENV) .peers dist build demo
