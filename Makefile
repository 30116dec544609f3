# Everything sets itself up: `make demo` and `make test` need Python 3.11+ and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Processes that run tests; each has a screen of its own and takes up to 3 GB of memory.
WORKERS ?= 2
TORCH_VENV ?= .venv-torch
export TF_CPP_MIN_LOG_LEVEL ?= 3

DOCS_READY := $(VENV)/.docs-ready
export NO_MKDOCS_2_WARNING ?= 1

.PHONY: help demo test test-all test-torch docs lint format screenshots clean
help:             ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(READY): pyproject.toml scripts/setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" bash scripts/setup.sh
	@touch $(READY)

demo: $(READY)    ## upscale a bundled image with a bundled model and say where the result is
	$(BIN)/python examples/demo.py

# with_screen.sh says so where there is neither a screen nor Xvfb.
PYTEST = bash scripts/with_screen.sh $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test: $(READY)    ## run the quick tests, on screens of their own; one file: ARGS="tests/x.py -n 0"
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(READY)  ## run all tests: also those that kill processes, train, and open many windows
	$(PYTEST) $(ARGS)

test-torch:       ## run the tests of the training on torch, in an environment of its own
	PYTHON="$(PYTHON)" VENV=$(TORCH_VENV) bash scripts/setup.sh
	$(TORCH_VENV)/bin/python -m pip install --quiet torch
	KERAS_BACKEND=torch $(TORCH_VENV)/bin/python -m pytest tests/training/test_step.py \
		tests/training/test_trainer.py $(ARGS)

$(DOCS_READY): $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[docs]" --constraint .ci/constraints.txt
	@touch $(DOCS_READY)

docs: $(DOCS_READY)  ## build the site of docs into site/, strictly, with the notebooks' output
	bash scripts/with_screen.sh $(BIN)/mkdocs build

lint: $(READY)    ## check style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-isr --imports

format: $(READY)  ## mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: $(READY)  ## renew the pictures of docs/images with real clicks in real napari
	bash scripts/with_screen.sh $(BIN)/python scripts/screenshots.py

clean:            ## remove what the other targets made
	rm -rf $(VENV) $(TORCH_VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.notebooks site
