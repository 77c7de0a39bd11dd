# The interpreter to use; each version has an environment of its own.
PYTHON ?= python3
export PYTHON

# More words for the program that a target runs: make demo ARGS=--once
ARGS ?=

BIN = $(shell scripts/venv-dir $(PYTHON))/bin

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-test setup-guest test torture soak test-guest lint types
.PHONY: bench bench-large install lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: setup ## set up, then show the agent at work; needs no hardware
	@$(BIN)/rfid-agent demo $(ARGS)

test: lint types ## set up, then check and test everything
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)

torture: setup-test ## kill the daemon thousands of times; TORTURE=100 goes on for hours
	TORTURE=$(or $(TORTURE),10) $(BIN)/pytest --capture=no tests/torture tests/simulation $(ARGS)

soak: setup-test ## run the daemon on all emulated hardware; ARGS="--minutes 60 --seed 2"
	@$(BIN)/python -m tests.soak $(ARGS)

test-guest: setup-guest ## drive keyboards and GPIO lines of a real kernel, in a virtual machine
	@$(BIN)/python -m tests.guest $(ARGS)

setup: ## install what running needs
	@scripts/setup run

setup-test: # install what testing needs
	@scripts/setup test

setup-guest: # install what testing in a virtual machine needs
	@scripts/setup guest

lint: setup-test ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup-test ## check types
	$(BIN)/mypy

bench: setup-test ## measure what is meant to be fast, and what goes to the disk
	@$(BIN)/python -m benchmarks $(ARGS)

bench-large: setup-test ## the same of ten million tokens; takes minutes, and 3 GB of disk
	@$(BIN)/python -m benchmarks --large $(ARGS)

install: ## install as a service of this machine, or upgrade it (as root)
	@scripts/setup packages
	@scripts/install

lock: ## write the lock files anew; ARGS=--upgrade takes newer versions
	@scripts/lock $(ARGS)

clean: ## remove environments and caches
	rm -rf .venv .cache build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
