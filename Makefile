# `make` without a target lists the targets. Settings: PYTHON=python3.12; ARGS="..." for demo, test, bench; JOBS=4.

PYTHON ?= python3
# Test processes, each with a broker of its own. The tests mostly wait, for time-outs to pass.
JOBS ?= 2
BIN := .venv/bin
DEPENDENCIES := .venv/.dependencies
NATIVE := .venv/.native
KAFKA := .cache/kafka/.complete
APICURIO := .cache/apicurio/.complete
RUST := $(shell find native -name target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print 2>/dev/null)
MVN := mvn -q -B

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo test test-unit kafka-jars apicurio lint format docs bench mutations clean
.PHONY: has-python has-rust has-java

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What the system has to bring. One line each, with the command that installs it on Debian and Ubuntu.
need = command -v $(1) >/dev/null || { echo "$(1) is missing: $(2)"; exit 1; }

has-python:
	@$(call need,$(PYTHON),sudo apt-get install python3)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is missing: sudo apt-get install python3.11, then make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: sudo apt-get install python3-venv"; exit 1; }

has-rust:
	@$(call need,cargo,curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- -y)
	@cargo --version | awk '{ split($$2, v, "."); exit !(v[1] > 1 || v[2] >= 85) }' || { echo "Rust 1.85 or newer is missing: rustup update stable"; exit 1; }
	@$(call need,cc,sudo apt-get install gcc)

has-java:
	@$(call need,java,sudo apt-get install default-jdk-headless)
	@java -version 2>&1 | awk -F '"' '/version/ { split($$2, v, "."); exit !(v[1] >= 17) }' || { echo "A JDK of version 17 or newer is missing: sudo apt-get install openjdk-17-jdk-headless"; exit 1; }
	@$(call need,mvn,sudo apt-get install maven)

build: $(NATIVE) ## Build the native core and install everything into .venv

$(DEPENDENCIES): constraints.txt | has-python
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -r constraints.txt
	@touch $@

$(NATIVE): $(DEPENDENCIES) pyproject.toml $(RUST) | has-rust
	PIP_QUIET=1 PIP_CONSTRAINT=constraints.txt VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop -q --release
	@touch $@

demo: build ## Run the main job on an embedded broker (make demo ARGS=--keep leaves it running)
	$(BIN)/crawlsieve demo $(ARGS)

test: build kafka-jars apicurio ## Run all tests, on Apache Kafka itself
	cargo test -q --manifest-path native/Cargo.toml -p crawlsieve-core
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

test-unit: build ## Run the tests that need no broker
	cargo test -q --manifest-path native/Cargo.toml -p crawlsieve-core
	$(BIN)/pytest tests/unit $(ARGS)

kafka-jars: $(KAFKA) ## Fetch Apache Kafka for the tests

$(KAFKA): tests/kafka/pom.xml | has-java
	rm -rf $(@D)
	$(MVN) -f tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D)/libs
	@touch $@

apicurio: $(APICURIO) ## Fetch the Schema Registry for the tests

$(APICURIO): | has-java
	rm -rf $(@D)
	$(MVN) dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all -DoutputDirectory=$(@D)
	tar -xzf $(@D)/*.tar.gz -C $(@D)
	rm $(@D)/*.tar.gz
	@touch $@

lint: build ## Check style, types and that generated docs are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cargo fmt --all --check --manifest-path native/Cargo.toml
	cargo clippy -q --manifest-path native/Cargo.toml --workspace --all-targets -- -D warnings
	$(BIN)/python -m crawlsieve.telemetry.metrics | diff -u docs/metrics.md - || { echo "docs/metrics.md is stale: make docs"; exit 1; }
	$(BIN)/python -m crawlsieve.config.reference | diff -u docs/configuration.md - || { echo "docs/configuration.md is stale: make docs"; exit 1; }

format: $(DEPENDENCIES) ## Format Python and Rust
	$(BIN)/ruff format .
	cargo fmt --all --manifest-path native/Cargo.toml

docs: build ## Write docs/metrics.md and docs/configuration.md anew
	$(BIN)/python -m crawlsieve.telemetry.metrics > docs/metrics.md
	$(BIN)/python -m crawlsieve.config.reference > docs/configuration.md

bench: build kafka-jars ## Measure screen against a bare consume-produce-commit loop
	$(BIN)/python -m benchmarks $(ARGS)

mutations: build kafka-jars ## Break each guarantee on purpose; its test must notice
	$(BIN)/python -m tests.mutations $(ARGS)

clean: ## Remove everything that was built or fetched
	rm -rf .venv .cache native/target .pytest_cache .ruff_cache .mypy_cache .hypothesis dist
	find consumers -name '_native*.so' -delete
	find . -name __pycache__ -prune -exec rm -rf {} +
