# rowcall. `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
EVENT ?= events/api.query.json
STAGE ?= dev
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := layers:functions:client:.
export PYTHONDONTWRITEBYTECODE :=
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

SAM_VENV := .venv-sam
SAM := $(SAM_VENV)/bin/sam

# What uv does, without the list of every package.
BRIEFLY := awk '!/^ [-+~] / { print "  " $$0; fflush() }'

# $(VENV)/local and $(VENV)/dev are stamps: made again when their requirements change.
$(VENV)/%: requirements/%.txt | $(BIN)/uv
	@echo "· installing requirements/$*.txt (once)"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes --requirements requirements/uv.txt --requirements $< 2>&1 \
		| $(BRIEFLY)
	@touch $@

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rowcall needs Python 3.11 or newer: make PYTHON=python3.13 …")'
	@echo "· making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(SAM): requirements/sam.txt | $(BIN)/uv
	@echo "· installing requirements/sam.txt (once)"
	@test -x $(SAM_VENV)/bin/python || $(PYTHON) -m venv $(SAM_VENV)
	@$(BIN)/uv pip sync --python $(SAM_VENV)/bin/python --require-hashes $< 2>&1 | $(BRIEFLY)
	@touch $@

CHECKOV_VENV := .venv-checkov
CHECKOV := $(CHECKOV_VENV)/bin/checkov

$(CHECKOV): requirements/checkov.txt | $(BIN)/uv
	@echo "· installing requirements/checkov.txt (once)"
	@test -x $(CHECKOV_VENV)/bin/python || $(PYTHON) -m venv $(CHECKOV_VENV)
	@$(BIN)/uv pip sync --python $(CHECKOV_VENV)/bin/python --require-hashes $< 2>&1 | $(BRIEFLY)
	@touch $@

.PHONY: demo
demo: $(VENV)/local ## start everything here, ask a few questions over HTTP, stop everything
	@$(BIN)/python -m local.demo

.PHONY: serve
serve: $(VENV)/local ## keep everything up on PORT (8000); DATABASE_URL=… for your own database
	@$(BIN)/python -m local.serve

.PHONY: ask
ask: export QUESTION = $(value Q)
ask: $(VENV)/local ## ask one question: make ask Q="top 5 products by revenue"
	@$(BIN)/python -m local.ask "$$QUESTION"

.PHONY: api-key
api-key: $(VENV)/local ## make an API key, shown once: WHO=ann TENANT=acme SCOPES=query,chat DAYS=90
	@$(BIN)/python -m local.api_key

.PHONY: test
test: $(VENV)/dev $(SAM) ## run the tests
	@$(BIN)/python -m pytest

SUITE ?= evals/shop
PLANNER ?= grammar

.PHONY: eval
eval: $(VENV)/dev ## how many questions are answered rightly: SUITE=evals/shop PLANNER=grammar, or SUITE=paraphrases
	@$(BIN)/python -m $(if $(filter paraphrases,$(notdir $(SUITE))),evals.paraphrases_run,evals.run $(SUITE) $(PLANNER))

.PHONY: check
check: $(VENV)/dev $(SAM) $(CHECKOV) ## format, lint, types, template, then the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(SAM) validate
	@$(SAM_VENV)/bin/cfn-lint --regions eu-west-1 us-east-1 --template stacks/*.yaml
	@$(CHECKOV) --config-file .checkov.yaml
	@$(MAKE) test

ARCH ?= arm64
PYTHON_VERSION ?= 3.13
SOURCES := template.yaml samconfig.toml build.mk $(wildcard stacks/*.yaml) $(shell find functions layers -type f -not -name '*.pyc')

# What was built for a platform such as arm64-3.13 is in .aws-sam/build (to deploy) or .aws-sam/emulated. `sam build`
# empties the folder first, so a stamp in it tells for which platform its content is.
platform = ARCH=$(word 1,$(subst -, ,$(notdir $*))) PYTHON_VERSION=$(word 2,$(subst -, ,$(notdir $*)))
.aws-sam/%.built: $(SOURCES) | $(SAM)
	@mkdir -p $(@D)
	@$(platform); export ARCH PYTHON_VERSION; \
	$(SAM) build --build-dir $(@D) --parameter-overrides Architecture=$$ARCH >$(@D).log 2>&1 || { cat $(@D).log; exit 1; }
	@grep '^note:' $(@D).log | sort -u || touch $@

# Lambda's own runtime, for the emulator.
.aws-sam/runtime/%: requirements/runtime.txt build.mk | $(BIN)/uv
	@$(MAKE) -f build.mk runtime TARGET=$@ $(platform)

.PHONY: build
build: .aws-sam/build/$(ARCH)-$(PYTHON_VERSION).built ## build for Lambda: ARCH=arm64 (or x86_64)
	@du -sh .aws-sam/build/*/ | sed 's/^/  /'

.PHONY: lambda
lambda: $(VENV)/local $(SAM) ## run what was built under Lambda's emulator: make lambda EVENT=events/api.query.json
	@$(BIN)/python -m local.emulator $(EVENT)

.PHONY: deploy-local
deploy-local: $(VENV)/local $(SAM) ## deploy what is built to moto's CloudFormation, and send each function its events
	@$(BIN)/python -m local.deploy

.PHONY: redrive
redrive: $(VENV)/local ## try again what failed three times in a job: STAGE=dev (or local, while make serve runs)
	@$(BIN)/python -m local.redrive $(STAGE)

ARGS ?= start-api --warm-containers LAZY

.PHONY: sam-local
sam-local: $(VENV)/local $(SAM) ## the same under Docker: ARGS="invoke ApiFunction --event events/api.query.json"
	@$(BIN)/python -m local.sam $(ARGS)

.PHONY: bench
bench: $(VENV)/bench $(SAM) ## measure, and write docs/benchmarks.md; QUICK=1 only shows
	@$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick)

.PHONY: restore-drill
restore-drill: export QUESTION = $(value Q)
restore-drill: $(VENV)/local ## dump, restore, compare: the sample shop, or DATABASE_URL=… TARGET_URL=… Q="count orders"
	@$(BIN)/python -m local.restore_drill

QUICK_LOAD := --quick --askers 1,8 --seconds 5

.PHONY: load
load: $(VENV)/bench ## the local stack under load by 1 to 64 askers, and write docs/load.md; QUICK=1 only shows
	@$(BIN)/python -m benchmarks.load $(if $(QUICK),$(QUICK_LOAD))

.PHONY: deploy
deploy: $(SAM) ## build, and put it on AWS: STAGE=dev (or staging, prod), GUIDED=1 the first time
	@$(MAKE) build ARCH=arm64 PYTHON_VERSION=3.13
	@$(SAM) deploy --config-env $(STAGE) $(if $(GUIDED),--guided)

.PHONY: rollback
rollback: $(VENV)/local ## every function of STAGE back to the version before, or a running deployment stopped
	@$(BIN)/python -m local.rollback $(STAGE)

.PHONY: db-role
db-role: $(VENV)/local ## the read-only role, in the database of STAGE, or OWNER_URL=… READER_PASSWORD=… for another
	@$(BIN)/python -m local.db_role $(STAGE)

.PHONY: docs
docs: $(VENV)/dev ## write what is generated in docs/: configuration, errors, openapi, http, cost, drills
	@$(BIN)/python -m docs.generate

.PHONY: lock
lock: $(BIN)/uv ## pin every dependency, with hashes, after editing a .in file
	@for file in layers/dependencies/requirements requirements/local requirements/dev requirements/bench requirements/runtime requirements/sam requirements/checkov requirements/uv; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --output-file $$file.txt $$file.in; done
