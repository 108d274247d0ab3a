# make demo: search SeB16 with the shipped potential for two minutes and show the isomers
# make test: the tests but for the slow ones, on up to four cores; make test-all: all tests; make lint: ruff and mypy; make bench: speed against the peers
# make docs: the documentation, into docs/_build/html; any warning fails it
# make house: how many rooms, how long modules and functions, strict errors, undocumented names, README's words
# Each sets up the project's own virtual environment first (.venv, Python 3.12 or newer).

VENV  := .venv
READY := $(VENV)/.ready
PYTEST := $(VENV)/bin/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
PYTHON ?= $(shell for p in python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo test test-all lint docs house bench clean

demo: $(READY)
	$(VENV)/bin/iia search SeB16 --time 2m --seed 0 --out runs/demo-SeB16

test: $(READY)
	OMP_NUM_THREADS=1 $(PYTEST) -m "not slow"

test-all: $(READY)
	OMP_NUM_THREADS=1 $(PYTEST)

lint: $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check --quiet
	$(VENV)/bin/mypy

docs: $(READY)
	$(VENV)/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

house: $(READY)
	$(VENV)/bin/python .ci/house.py

bench: $(READY)
	$(VENV)/bin/python benchmarks/speed.py

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.12 or newer is needed (SchNetPack 2.2 needs it); none was found"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) runs docs/_build docs/commands
