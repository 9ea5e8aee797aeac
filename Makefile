# Creates .venv from the lock, then calls the real tools. `make help` lists what there is.

PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores all
# make paper DATA=folder        folder with the paper's own object and other data
# make paper ARGS="fig4 -n"     anything else for Snakemake
CONFIG := $(if $(DATA),--config data_dir=$(DATA))

.DEFAULT_GOAL := help
.PHONY: help paper smoke full-size reference trials ties readme test test-all lint format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; try: make $@ PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --quiet --requirement requirements.lock
	touch $@

paper: .venv/installed  ## the whole paper at laptop scale, into results/
	$(SNAKEMAKE) $(ARGS) $(CONFIG)

smoke: .venv/installed  ## the whole workflow in minutes, into results/smoke/
	$(SNAKEMAKE) $(ARGS) --configfile config/smoke.yaml $(CONFIG)

full-size: .venv/installed  ## the paper at full size, printed from resources/reference/ in a minute, into results/full-size/
	$(SNAKEMAKE) $(ARGS) --configfile config/paper.yaml config/full-size.yaml

reference: .venv/installed  ## Table I at the paper's full size, for HOURS=2, into resources/reference/
	$(BIN)/python workflow/reference.py --hours $(or $(HOURS),2) $(if $(DATA),--data $(DATA))

trials: .venv/installed  ## which initial weights and blocks validate best on the paper's object, into resources/reference/
	$(BIN)/python workflow/trials.py $(if $(HOURS),--hours $(HOURS)) $(if $(DATA),--data $(DATA))

ties: .venv/installed  ## which tie of synchronised stitching gains most on held-out training patterns, into resources/reference/
	$(BIN)/python workflow/ties.py $(if $(DATA),--data $(DATA)) $(ARGS)

readme: .venv/installed  ## what README says of results, from the tables of results/ and resources/
	$(BIN)/python workflow/readme.py

test: .venv/installed  ## the tests
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-all: .venv/installed  ## the tests, slow ones too
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/installed  ## style of Python and Snakemake code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: .venv/installed  ## put Python and Snakemake code into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

clean:  ## remove .venv; results stay
	rm -rf .venv
