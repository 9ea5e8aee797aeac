# Creates .venv from the lock, then calls the real tools. `make help` lists what there is.

PYTHON ?= python3
BIN := .venv/bin
# Modules rather than the scripts in .venv/bin, which hold the path of the folder that they were installed in.
SNAKEMAKE := $(BIN)/python -m snakemake --cores all
# make paper DATA=folder        folder with the paper's own object and other data
# make paper ARGS="fig4 -n"     anything else for Snakemake
# make TORCH=cpu paper          PyTorch without NVIDIA's libraries; TORCH=cuda: with them; by itself: by the machine
quoted = '$(subst ','\'',$(1))'
# In quotes of YAML too, in which 20191008 is no number, and in blanks, since Snakemake strips quotes at the ends.
CONFIG := $(if $(value DATA),--config $(call quoted,data_dir= '$(subst ','',$(value DATA))' ))
FOLDER := $(if $(value DATA),--data $(call quoted,$(value DATA)))

# Snakemake heeds the last --config and the last --configfile only.
ifneq (,$(and $(value DATA),$(filter --config -C --config=%,$(ARGS))))
$(error DATA and a --config in ARGS exclude each other: write data_dir=folder into that --config)
endif
# Snakemake ends with a traceback on such a key.
DOTTED := $(if $(filter --config -C --config=%,$(ARGS)),$(foreach word,$(ARGS),$(if $(findstring =,$(word)),$(if $(findstring .,$(firstword $(subst =, ,$(word:--config=%=%)))),$(word)))))
ifneq (,$(strip $(DOTTED)))
$(error $(strip $(DOTTED)): a --config names no key within another by dots; for training.epochs=3 write --config 'training={epochs: 3}')
endif
ifneq (,$(and $(filter smoke full-size,$(MAKECMDGOALS)),$(filter --configfile --configfiles --configfile=% --configfiles=%,$(ARGS))))
$(error make smoke and make full-size have a --configfile of their own: use make paper with that of ARGS, or .venv/bin/python -m snakemake)
endif
ifeq (,$(filter 'cpu' 'cuda' '','$(TORCH)'))
$(error TORCH=$(TORCH) is not allowed; it must be cpu or cuda)
endif

.DEFAULT_GOAL := help
.PHONY: help paper smoke full-size reference trials ties readme reliability docs audit check-slurm test test-all test-slurm lint format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# What is installed is what the locks say, whatever the times of files in a copied folder are.
LOCKS := requirements.lock requirements-torch.lock requirements-torch-cpu.lock
INSTALLED := $(shell cat $(LOCKS) | cmp -s - .venv/installed && $(BIN)/python -c "" 2>/dev/null && echo yes)
# The build of PyTorch that is there stays, unless TORCH asks for the other one.
BUILD := $(if $(wildcard .venv/lib/python*/site-packages/torch-*+cpu.dist-info),cpu,cuda)
.venv/installed: $(if $(INSTALLED),$(if $(filter-out $(BUILD),$(TORCH)),install),install)

# Nothing whose content is not that of a lock; they are complete, so that nothing else is looked for.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --require-hashes --no-deps --requirement

.PHONY: install
install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(BIN)/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(INSTALL) requirements.lock
	@bash workflow/torch.sh '$(TORCH)' $(INSTALL)
	cat $(LOCKS) > .venv/installed

paper: .venv/installed  ## the whole paper at laptop scale, into results/
	$(SNAKEMAKE) $(ARGS) $(CONFIG)

smoke: .venv/installed  ## the whole workflow in minutes, into results/smoke/
	$(SNAKEMAKE) $(ARGS) --configfile config/smoke.yaml $(CONFIG)

full-size: .venv/installed  ## the paper at full size, printed from resources/reference/ in a minute, into results/full-size/
	$(SNAKEMAKE) $(ARGS) --configfile config/paper.yaml config/full-size.yaml

reference: .venv/installed  ## an experiment at the paper's full size on CPUs, EXPERIMENT=table1, for HOURS=2, into resources/reference/
	$(BIN)/python workflow/reference.py --hours $(or $(HOURS),2) --experiment $(or $(EXPERIMENT),table1) $(FOLDER)

trials: .venv/installed  ## which initial weights and blocks validate best on the paper's object, into resources/reference/
	$(BIN)/python workflow/trials.py $(if $(HOURS),--hours $(HOURS)) $(FOLDER)

ties: .venv/installed  ## which tie of synchronised stitching gains most on held-out training patterns, into resources/reference/
	$(BIN)/python workflow/ties.py $(FOLDER) $(ARGS)

check-slurm: .venv/installed  ## what keeps PROFILE=profiles/slurm from working on this cluster, in one sentence
	$(BIN)/python workflow/check_slurm.py --profile $(or $(PROFILE),profiles/slurm)

readme: full-size  ## what README says of results, from the tables of results/ and resources/
	$(BIN)/python workflow/readme.py

reliability: .venv/installed  ## what faults were tried and what came of them, into docs/reliability.md
	$(BIN)/python -m pytest --reliability=docs/reliability.md $(ARGS)

docs: .venv/installed .venv/docs/bin/mkdocs  ## the documentation as a website, into site/
	$(BIN)/python workflow/document.py
	NO_MKDOCS_2_WARNING=1 .venv/docs/bin/python -m mkdocs build --strict --quiet

# With --strict, since a mirror of PyPI without its database would pass for one that knows of nothing.
AUDIT := .venv/audit/bin/python -m pip_audit --strict --require-hashes --disable-pip --progress-spinner off

audit: .venv/audit/bin/pip-audit  ## known vulnerabilities of what the locks list (needs the network: the database of pypi.org)
	$(AUDIT) --requirement requirements.lock --requirement requirements-torch.lock $(ARGS)

.venv/audit/bin/pip-audit:
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.10,<3'

# Beside the lock, which is the workflow's.
.venv/docs/bin/mkdocs: pyproject.toml
	$(PYTHON) -m venv .venv/docs
	.venv/docs/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > .venv/docs/requirements.txt
	.venv/docs/bin/python -m pip install --disable-pip-version-check --quiet --requirement .venv/docs/requirements.txt
	touch $@

# Compiled modules and what provenance remembers of them are copied with the project, instead of made in each copy.
test test-all: export PYTHONDONTWRITEBYTECODE =

test: .venv/installed  ## the tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-all: .venv/installed  ## the tests, slow ones too
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-slurm: .venv/installed  ## the shipped profiles on a Slurm of this machine, into docs/reliability.md too (root; tests/workflow/loopback.sh install brings it)
	bash tests/workflow/loopback.sh check
	$(BIN)/python -m pytest tests/workflow/test_slurm.py --reliability=docs/reliability.md --reliability-of=test-slurm $(ARGS)

lint: .venv/installed  ## style of Python and Snakemake code, and what bandit finds unsafe in it
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(BIN)/python -m snakemake --lint
	$(BIN)/python -m bandit --quiet --recursive src workflow

format: .venv/installed  ## put Python and Snakemake code into style
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m snakefmt Snakefile workflow

clean:  ## remove .venv; results stay
	rm -rf .venv
