# Everything a developer does here. A fresh Debian or Ubuntu needs Python 3.11, git and make; the rest is set up on the way.

PYTHON ?= python3
RUN    := .venv/bin/python
OP     ?= topology
DATA   ?= {}
REQUESTS ?= 2000
N        ?= 20000
LASTING  ?= 300
MINUTES  ?= 10
# The RabbitMQ of whatever is started: 4.0 or 4.3; without it the one that this machine has.
BROKER   ?=
# Tests wait for servers half of the time, hence more workers than processors. Each has servers of its own, so files stay
# whole, and in the order of their names: the slow ones with servers first, and no worker waits long for the last one.
SIDE_BY_SIDE := --numprocesses 4 --dist loadfile --no-loadscope-reorder
export OP DATA TAG BROKER BROKER_NEWER
# The tests start some 250 programs. Compiling everything anew for each of them takes three seconds a time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv servers test-servers camunda7 tools demo up down status env call test browser-test test-engine check unit unit-all mutants lint format types layers proto proto-check lock lock-brokers lock-maven images reference asyncapi-check licences sbom advisories dist bench bench-peers bench-jobs bench-where bench-replicas bench-ledger bench-memory bench-page faults fuzz simulate soak rolling docs clean chart dashboard outage rights strict fetched

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up -----------------------------------------------------------------------------------------------------------

venv: .venv/installed ## the Python environment .venv, from the lock files

.venv/installed: requirements/uv.txt requirements/dev.txt pyproject.toml contracts/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m scripts.environment
	@touch $@

.venv-peers/installed: .venv/installed requirements/peers.txt
	@.venv/bin/uv venv --quiet --clear --python $(RUN) .venv-peers
	@.venv/bin/uv pip install --quiet --python .venv-peers/bin/python --require-hashes --requirements requirements/peers.txt
	@touch $@

.venv-browser/installed: .venv/installed requirements/browser.txt
	@.venv/bin/uv venv --quiet --clear --python $(RUN) .venv-browser
	@.venv/bin/uv pip install --quiet --python .venv-browser/bin/python --require-hashes --requirements requirements/browser.txt
	@touch $@

.venv-fuzz/installed: .venv/installed requirements/fuzz.txt
	@.venv/bin/uv venv --quiet --clear --python $(RUN) .venv-fuzz
	@.venv/bin/uv pip install --quiet --python .venv-fuzz/bin/python --require-hashes --requirements requirements/fuzz.txt
	@touch $@

servers: venv ## RabbitMQ, Redis, PostgreSQL, Java and the engine in memory for development, downloaded once; with BROKER=4.3 or 4.0 also that RabbitMQ
	@$(RUN) -m scripts.servers

test-servers: venv ## the same, and the newer releases of RabbitMQ that `make test` runs on
	@$(RUN) -m scripts.servers --tests

camunda7: venv ## a Camunda 7 engine for the tests, downloaded once
	@$(RUN) -m scripts.camunda7

tools: venv ## AsyncAPI's schema and viewer, the script of diagrams, what examples in other languages and frameworks need, a linter, Prometheus; downloaded once
	@$(RUN) -m scripts.asyncapi_tools
	@$(RUN) -m scripts.mermaid
	@$(RUN) -m scripts.callers
	@$(RUN) -m scripts.workflow_lint
	@$(RUN) -m scripts.prometheus

# --- playing ----------------------------------------------------------------------------------------------------------

demo: venv ## start everything, order a process by message, watch it end, stop everything
	@$(RUN) -m scripts.demo

up: venv ## start RabbitMQ, an engine and the consumer in the background
	@$(RUN) -m scripts.stack up

down: venv ## stop what `make up` started
	@$(RUN) -m scripts.stack down

status: venv ## say what `make up` started and whether it runs
	@$(RUN) -m scripts.stack status

env: venv ## print where that is, for a shell: eval "$(make -s env)"
	@$(RUN) -m scripts.stack env

call: venv ## send one command and show the reply: make call OP=topology DATA='{}'
	@$(RUN) -m scripts.call

# --- checking ---------------------------------------------------------------------------------------------------------

test: venv ## everything that must pass: format, lint, types, layers, protocol, all tests
	@$(MAKE) --no-print-directory --jobs 5 --output-sync=line .venv/compiled fetched proto-check check
	$(RUN) -m pytest --cov $(SIDE_BY_SIDE)

# Each worker reads all tests. In a new environment all four would compile them and the packages at the same time; what is
# wrong with a test, they tell.
.venv/compiled: .venv/installed
	@$(RUN) -m pytest --collect-only --quiet >/dev/null || true
	@touch $@

fetched: test-servers camunda7 tools ## everything that `make test` needs besides Python packages, downloaded once

browser-test: servers .venv-browser/installed ## the console and the site in a real browser; pictures in build/console and build/site
	@$(RUN) -m scripts.browser
	PYTHONPATH=$$(echo .venv-browser/lib/python*/site-packages) $(RUN) -m pytest tests/integration/test_console_browser.py tests/integration/test_site_browser.py

test-engine: venv ## what an engine must do, on any: make test-engine ZEEBE_ADDRESS=host:port (AMQP_URL=...)
	@$(RUN) -m scripts.servers --small
	$(RUN) -m pytest tests/integration/engines

unit: venv ## the quick tests, no servers
	$(RUN) -m pytest tests/unit

unit-all: venv ## the quick tests on every Python from 3.11 that is on PATH or in pyenv
	@$(RUN) -m scripts.pythons

MUTANTS_OPTIONS = $(if $(NUMBER),--number $(NUMBER)) $(if $(SEED),--seed $(SEED)) $(if $(TESTS),--tests '$(TESTS)') \
	$(if $(ONLY),--only '$(ONLY)') $(if $(WRITE),--write '$(WRITE)')

mutants: venv ## small faults that no test without servers notices: make mutants NUMBER=30 TESTS=another-checkout/tests WRITE=file
	@$(RUN) -m scripts.mutants $(MUTANTS_OPTIONS)

check: lint types layers

lint: venv ## format and lint, looking only
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

format: venv ## format and mend what can be mended
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

types: venv ## mypy --strict, and what callers see of the types
	$(RUN) -m mypy consumer contracts/zeebe_amqp contracts/pytest_zeebe_amqp.py scripts tests/typing

layers: venv ## who may import whom
	.venv/bin/lint-imports --no-logo

proto-check: venv ## compare the generated gRPC messages with the published protocol
	@$(RUN) -m scripts.protocol --check

# --- making -----------------------------------------------------------------------------------------------------------

proto: servers ## make the gRPC messages anew from the published protocol
	@$(RUN) -m scripts.protocol

LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-emit-package zeebe-amqp

lock: venv ## write the lock files anew (UPGRADE=--upgrade for newer versions)
	$(LOCK) $(UPGRADE) --output-file requirements/uv.txt requirements/uv.in
	$(LOCK) $(UPGRADE) --output-file requirements/java.txt requirements/java.in
	$(LOCK) $(UPGRADE) --output-file requirements/build.txt requirements/build.in
	$(LOCK) $(UPGRADE) --output-file requirements/browser.txt requirements/browser.in
	$(LOCK) $(UPGRADE) --output-file requirements/fuzz.txt requirements/fuzz.in
	$(LOCK) $(UPGRADE) --output-file requirements/peers.txt requirements/peers.in
	$(LOCK) $(UPGRADE) --output-file requirements/frameworks.txt requirements/frameworks.in
	$(LOCK) $(UPGRADE) --output-file requirements/run.txt pyproject.toml
	$(LOCK) $(UPGRADE) --output-file requirements/dev.txt --constraint requirements/run.txt --extra client --extra cli \
		pyproject.toml contracts/pyproject.toml requirements/dev.in

lock-brokers: venv ## write down anew which packages a newer RabbitMQ is made of, with their hashes
	@$(RUN) -m scripts.rabbitmq_lock

images: venv ## pin the container images by their digests, as the registry has them today; needs Docker
	@$(RUN) -m scripts.images

lock-maven: servers ## write down anew every file that Maven fetches, with its hash (ADD=--add keeps those of other Mavens)
	@$(RUN) -m scripts.maven_lock $(ADD)

reference: venv ## make the pages of operations, settings, command line and monitoring, and the AsyncAPI document anew from the code
	@$(RUN) -m scripts.reference

chart: venv ## render the Helm chart's manifests for the tests anew, and lint the chart; Helm is compiled once, for minutes
	@$(RUN) -m scripts.chart

dashboard: venv ## make the dashboard for Grafana anew from scripts/panels.py
	@$(RUN) -m scripts.dashboard

asyncapi-check: venv ## read the AsyncAPI document with the reference parser; once per release
	@$(RUN) -m scripts.asyncapi_tools --check

licences: venv ## the licence of everything that ships or was fetched; it fetches nothing itself
	@$(RUN) -m scripts.licences

sbom: venv ## what each package needs, as CycloneDX lists with hashes and licences, in build/sbom
	@$(RUN) -m scripts.sbom

# Status 2: no source of advisories can be reached, which is no fault of this commit.
advisories: venv ## whether an advisory is known against a locked version of what ships; where no source can be reached it says so
	@$(RUN) -m scripts.advisories || [ $$? -eq 2 ]

dist: venv sbom ## both packages as source and wheel in dist/, checked, and their lists in build/sbom; with TAG=v0.1.0 only if that is their version
	@$(RUN) -m scripts.dist

BENCH_OPTIONS = $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(AGAINST),--against '$(AGAINST)') \
	$(if $(WRITE),--write)

bench: servers ## measure the service: make bench AGAINST=another-checkout ROUNDS=9 SECONDS=3 WRITE=yes
	@$(RUN) -m benchmarks $(BENCH_OPTIONS)
	@$(RUN) -m benchmarks.ledger
	@$(RUN) -m benchmarks.measurements
	@$(RUN) -m benchmarks.polls

bench-peers: servers .venv-peers/installed ## measure it beside what others would write; WRITE=yes makes docs/performance.md anew
	@$(RUN) -m benchmarks --peers $(BENCH_OPTIONS)

bench-page: venv ## make tables and charts of the pages about performance, sizes and replicas from the newest figures
	@$(RUN) -m benchmarks --page

bench-jobs: servers .venv-peers/installed ## jobs on queues beside a pyzeebe worker; makes their part of docs/performance.md anew; five minutes
	@$(RUN) -m benchmarks.jobs $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PAGE),--page)

bench-where: servers .venv-peers/installed ## what a command costs, by room of the service: make bench-where IN_FLIGHT=1
	@$(RUN) -m benchmarks.where $(if $(IN_FLIGHT),--in-flight $(IN_FLIGHT)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(AGAINST),--against '$(AGAINST)')

bench-replicas: servers ## what 1, 2 and 4 replicas and the Redis or PostgreSQL between them cost per command
	@$(RUN) -m benchmarks.replicas $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

bench-ledger: servers ## what a command costs with a million answers remembered, against ten thousand
	@$(RUN) -m benchmarks.entries $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

bench-memory: servers ## memory of the service over a million commands: make bench-memory COMMANDS=300000
	@$(RUN) -m benchmarks.memory $(if $(COMMANDS),--commands $(COMMANDS))

outage: servers ## a picture of an outage as Prometheus and the dashboard see it: docs/charts/outage.svg; six minutes
	@$(RUN) -m benchmarks.outage $(if $(AWAY),--away $(AWAY))

rights: servers ## who may do what, attacks and what they cost others, the audit: docs/rights.md; four minutes. PAGE=yes only writes it anew
	@$(RUN) -m benchmarks.rights $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PAGE),--page)

strict: servers ## what one user can do to the replies of another, without strict replies and with them, on BROKER: docs/strict-replies.md; two minutes. PAGE=yes only writes it anew
	@$(RUN) -m benchmarks.strict $(if $(PAGE),--page)

faults: servers ## every fault in the middle of load, and a table: make faults ONLY=killed REQUESTS=300 LASTING=45 BROKER=4.3. WRITE=yes keeps it; PAGE=yes only shows what is kept
	@$(RUN) -m tests.faults $(if $(ONLY),--only '$(ONLY)') --requests $(REQUESTS) --lasting $(LASTING) $(if $(WRITE),--write) \
		$(if $(PAGE),--page)

simulate: venv ## schedules of crashes and losses drawn by seed, on a virtual clock: make simulate N=20000 SEED=0; N=1 shows what happened
	@$(RUN) -m tests.simulation --schedules $(N) $(if $(SEED),--seed $(SEED)) $(if $(filter 1,$(N)),--history)

fuzz: .venv-fuzz/installed ## a million inputs for what reads foreign bytes, guided by what they reach: make fuzz N=5000000 ONLY=envelope SEED=2; four minutes on two free cores
	PYTHONPATH=$$(echo .venv-fuzz/lib/python*/site-packages) $(RUN) -m tests.fuzz $(if $(ONLY),--only '$(ONLY)') \
		$(if $(filter file,$(origin N)),,--runs $(N)) $(if $(SEED),--seed $(SEED)) $(if $(WRITE),--write)

soak: servers ## a steady load with random faults: does anything grow? make soak MINUTES=60 BROKER=4.3 STORE=postgresql, which has two replicas; PAGE=yes only draws what is kept
	@$(RUN) -m tests.faults.soak --minutes $(MINUTES) $(if $(STORE),--ledger $(STORE)) $(if $(WRITE),--write) $(if $(PAGE),--page)

rolling: servers ## restart two replicas in turn under load, and a table: make rolling ROUNDS=3
	@$(RUN) -m tests.integration.rolling $(if $(ROUNDS),--rounds $(ROUNDS))

docs: venv ## the documentation site, in site/
	@$(RUN) -m scripts.site

clean: ## stop what runs in the background; remove what was made here (not downloads)
	@[ ! -e .run ] || $(RUN) -m scripts.stack down
	rm -rf .venv .venv-* .run .state .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov site build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
