# make study   installs into .venv and runs the main job on an embedded real data set: table, verdict, report
# make test    installs the test extra into the same .venv and runs the tests
#
# PYTHON=python3.12, VENV=folder and OUT=folder choose others. Nothing is done twice: a second call starts at once.

PYTHON ?= python3
VENV ?= .venv
OUT ?= study-digits
PYTEST ?= -n 2 --dist worksteal

# what is compiled once is kept: without, every process of a test compiles torch and scikit-learn anew, for 4 to 8 s
unexport PYTHONDONTWRITEBYTECODE

BIN = $(VENV)/bin
# one thread per process: several processes with several threads each would only wait for one another
TESTS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)
PIP = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: study test docs lint
.DELETE_ON_ERROR:

study: $(VENV)/.installed
	$(BIN)/codelayer study digits --quick --out $(OUT)

test: $(VENV)/.installed-test
	$(TESTS) --ignore=tests/docs

# every command and snippet of README.md and docs/
docs: $(VENV)/.installed-test
	$(TESTS) tests/docs

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src runtime tests benchmarks docs
	$(BIN)/ty check src

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# the package is linked, not copied, so that an edit of the source needs no new install
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "installing into $(VENV) (a few minutes the first time)"
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "installing with the test extra into $(VENV) (a few minutes the first time)"
	$(PIP) -e ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "installing with the dev extra into $(VENV)"
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test
