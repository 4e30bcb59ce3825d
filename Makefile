# Everything that this project does with itself.  `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
FUZZ_EXAMPLES ?= 20000
MUTANTS ?=
TESTS ?=
BENCH ?=

# The environment in which Debian's programs are found (see tools/debian-packages).
WITH_BROKER = environment="$$(tools/debian-packages demo)"; eval "$$environment";
WITH_DEBIAN = environment="$$(tools/debian-packages test)"; eval "$$environment";

.PHONY: help demo test check bench fuzz questions mutants venv peers debs docs lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: venv ## a fleet of virtual nodes is brought to a new release, with every kind of trouble
	@$(WITH_BROKER) exec $(BIN)/tender demo

test: venv peers debs ## everything that CI runs, in one pytest run
	@$(WITH_DEBIAN) TENDER_PEERS=required exec $(BIN)/pytest $(TESTS)

check: venv ## format, lint, types, and the tests that need no Debian package
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@exec $(BIN)/pytest -m "not peer and not house" $(TESTS)

bench: venv peers debs ## our speed beside that of the tools one would use instead
	@$(WITH_DEBIAN) exec $(BIN)/python -m bench $(BENCH)

fuzz: venv ## every property test with very many examples (FUZZ_EXAMPLES=20000)
	@TENDER_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) exec $(BIN)/pytest -m hypothesis --hypothesis-profile=fuzz --timeout=0 $(TESTS)

questions: venv debs ## ask the ten questions of three in the morning, and write docs/ten-questions.md
	@$(WITH_BROKER) exec $(BIN)/python -m tools.questions

mutants: venv ## change the code in small ways and see that a test notices (MUTANTS="--sample 100")
	@exec $(BIN)/python -m tools.mutants $(MUTANTS)

venv: .venv/up-to-date ## the Python environment in .venv

.venv/up-to-date: requirements.lock pyproject.toml tools/environment
	@tools/environment .venv requirements.lock --editable
	@touch $@

NODE_PEERS := .peers/node/herdsman/up-to-date .peers/node/zigbee2mqtt/up-to-date

peers: .peers/up-to-date .peers/nrfutil-up-to-date $(NODE_PEERS) ## other people's clients, in an environment of their own

.peers/up-to-date: tests/peers/requirements.lock tools/environment
	@tools/environment .peers tests/peers/requirements.lock
	@touch $@

.peers/nrfutil-up-to-date: tests/peers/nrfutil.lock tools/environment .peers/up-to-date
	@PIP_NO_DEPS=1 PIP_IGNORE_REQUIRES_PYTHON=1 tools/environment .peers/nrfutil tests/peers/nrfutil.lock
	@touch $@

.peers/node/%/up-to-date: tests/peers/zigbee/%/package.json tests/peers/zigbee/%/package-lock.json tools/node-modules .peers/up-to-date
	@tools/node-modules .peers .peers/node/$* tests/peers/zigbee/$*
	@touch $@

debs: ## the broker, the AVR tools, a compiler and the machine with BlueZ, unpacked below .cache where the machine lacks them
	@tools/debian-packages test >/dev/null

docs: venv ## write the pages that are made from the code
	@$(BIN)/python -m tools.errors
	@$(BIN)/python -m tests.gateway.upstream.contract

lock: ## resolve the locks anew from pyproject.toml
	@tools/lock

clean: ## remove what was made here
	rm -rf .venv .peers .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/out
