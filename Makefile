# orderlane: what a person types. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ORDERS ?= 500
SEED   ?= 7
PICTURES ?= build/pictures
# The last version whose workers carry every order whole.
EARLIER ?= 396309b
# The lock names every package there is, so pip resolves nothing: it would take the newest release of what a
# package asks for with an extra, and then refuse that for having no hash.
LOCKED := $(BIN)/pip install --quiet --require-hashes --no-deps -r

.PHONY: help setup demo reference test coverage bench drills upgrade-drill soak model fuzz lint lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(LOCKED) requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(LOCKED) requirements-dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.run requirements-bench.txt
	$(LOCKED) requirements-bench.txt
	@touch $@

setup: $(VENV)/.run ## virtual environment with the locked packages

demo: setup ## run the main job on private stores and a sandbox; ORDERS=n
	$(BIN)/orderlane demo --orders $(ORDERS)

test: $(VENV)/.dev ## all tests, real Postgres and Redis
	$(BIN)/pytest

coverage: $(VENV)/.dev ## branch coverage; fails below 95 % for the rules or the engine
	$(BIN)/pytest --cov --cov-report=
	$(BIN)/coverage report --include='domain/*,infra/engine/*,infra/sweeper/*,infra/queue/*,actors/*' --fail-under=95

bench: $(VENV)/.bench ## orders a minute and what they cost, against plain Dramatiq and plain Celery
	$(BIN)/python -m benchmarks.chain --pictures $(PICTURES)

drills: setup ## hurt the whole house and check every order, half an hour; SEED=n
	$(BIN)/orderlane drill --seed $(SEED)

upgrade-drill: setup ## old and new workers side by side over 100,000 stored orders; EARLIER=commit SEED=n
	@rm -rf build/earlier && mkdir -p build/earlier
	git archive $(EARLIER) | tar -x -C build/earlier
	$(BIN)/orderlane drill rolling-upgrade --earlier build/earlier --seed $(SEED)

soak: setup ## random faults without end, a new seed each round, until one shows a defect
	while $(BIN)/orderlane drill nemesis; do :; done

model: $(VENV)/.dev ## the broker's scripts beside their twin: 100,000 random commands on each Redis at hand
	PRIORITY_MODEL_COMMANDS=100000 $(BIN)/pytest -n 0 -s tests/infra/queue/priority/model

fuzz: $(VENV)/.dev ## every reader and the paths behind it under half a million mutations; SEED=n
	FUZZ_MUTATIONS=500000 FUZZ_SEED=$(SEED) $(BIN)/pytest -n 0 -s tests/fuzz tests/actors/test_fuzzed_answers.py

lint: $(VENV)/.dev ## format, lint, types, walls, published faults of packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python deploy/advisories.py requirements.txt requirements-dev.txt requirements-bench.txt

reference: setup ## write the reference pages that are made from the code
	$(BIN)/python -m workers.reference

lock: ## renew the lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --group dev -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --group benchmarks -o requirements-bench.txt

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
