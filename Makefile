# make demo    train a model on real text, in about a minute
# make test    check format, lint, types and words, and run the tests
# make check   the checks of `make test` alone
# make slow    run the exhaustive tests, and every test with the code of other processors
# All set up .venv first, once; after that they need no network. Another Python:
# make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# One process for each core, and one thread of torch in each.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist worksteal

.PHONY: demo test check slow clean

demo: $(READY)
	@$(VENV)/bin/ostinato demo

test: check
	$(PYTEST)

check: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# The exhaustive tests, and then the whole suite for each vector width, and without bfloat16
# instructions, whatever this processor has: see `host` in src/ostinato/engines/kernels/jit.py.
slow: $(READY)
	$(PYTEST) -m slow
	OSTINATO_VECTOR_WIDTH=4 $(PYTEST)
	OSTINATO_VECTOR_WIDTH=8 $(PYTEST)
	OSTINATO_VECTOR_WIDTH=16 $(PYTEST)
	OSTINATO_BFLOAT16=0 $(PYTEST)

# Set up again where the requirements have changed, or where an earlier set-up did not finish.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || { \
	    echo "error: there is no $(PYTHON); install Python 3.11 or later, or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), and Ostinato needs 3.11 or later;" \
	        "name one: make PYTHON=python3.12" >&2; exit 2; }
	@if test -x $(VENV)/bin/python && ! $(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    echo "error: $(VENV) is of an older Python, or of one that is gone; take it away: make clean" >&2; exit 2; fi
	@echo "setting up $(VENV), once: this downloads torch and some smaller packages"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "error: $(PYTHON) could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV)
