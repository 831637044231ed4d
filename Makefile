# One word a deed. Each sets up what it needs; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

bin := .venv/bin
products := appliance $(wildcard plugins/*/src/*) $(wildcard examples/*.py examples/frameworks/fastapi/*.py examples/frameworks/fastapi/*/*.py) conftest.py tests/repo tests/perf/bench
# Both cores of a small machine.
jobs ?= 2
pytest := $(bin)/python -m pytest
# Tests elsewhere that hold a page to the code.
about_docs := $(addprefix tests/repo/test_,documents.py layout.py requirements.py) \
  $(wildcard $(addprefix tests/unit/*/test_,document.py reference.py troubleshooting.py))
# The Debian of `make bare` (bookworm unless said) and `make deb` (this machine's), and the architecture of the package.
suite ?=
arch ?=
# Options for pytest: make test args='-k replay -s'
args ?=

.PHONY: help setup demo demo-mesh demo-api first-call check format lint types floors fast test bare bench docs schemas size soak fuzz chaos clients rigs vagrant wheels deb clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with everything (as root: install missing Debian packages too)
	@packaging/setup.sh

# For the words a developer types all day: set up once, then stay out of the way.
$(bin)/python:
	@packaging/setup.sh

demo: ## two hosts on this machine, an encrypted overlay between them, probes, and no trace left
	@packaging/setup.sh demo
	@$(bin)/appliance lab profiles/lab/pair.yaml --story

demo-mesh: ## eight members of one network behind NATs: invited, met by name, relayed and direct, one killed, one removed
	@packaging/setup.sh demo
	@$(bin)/appliance lab profiles/lab/mesh-8.yaml --story

demo-api: ## a node with an API server: a first user by code, a job, a change that another has to approve; without root, and no trace left
	@packaging/setup.sh demo
	@$(bin)/python examples/management.py trial

first-call: ## from an empty environment to the first authenticated call of the API, timed: five minutes at most
	@packaging/first-call.sh

check: | $(bin)/python ## format, lint, types, floors and the fast tests, before every commit
	$(bin)/ruff format --check -q .
	@$(MAKE) lint types floors fast

format: | $(bin)/python ## rewrite the code in the project's format
	$(bin)/ruff format -q .
	$(bin)/ruff check -q --fix-only .

lint: | $(bin)/python ## what the linter finds
	$(bin)/ruff check -q .

types: | $(bin)/python ## mypy, strict
	$(bin)/mypy $(products)

floors: | $(bin)/python ## imports go downwards only (.importlinter has the reasons)
	$(bin)/lint-imports --no-cache

fast: | $(bin)/python ## the tests that need neither root nor other processes
	$(pytest) -q -n $(jobs) -m 'not slow and not netns and not wheels' $(args)

# One more than cores: tests of whole hosts wait for a third of their time. Each worker begins with a part of its own, so that those
# which wait and those which compute run side by side, and whoever is done takes half of what another one has left.
test: jobs := 3
test: setup ## everything but the long forms, with coverage of at least 85 % (report in build/coverage)
	@rm -rf build/coverage.d && mkdir -p build && mkdir -m 1777 build/coverage.d
	$(pytest) -n $(jobs) --dist worksteal --cov --cov-report=term:skip-covered --cov-report=html --cov-fail-under=85 $(args)

bare: ## demo and test on a minimal Debian that has only Python, make and git (suite=bookworm or trixie)
	@packaging/bare/run.sh $(or $(suite),bookworm) $(args)

bench: setup ## speed, latency and cost of the overlay beside a bare veth and wireguard-go, as ratios (--quick, --compare)
	$(bin)/python -m tests.perf.bench $(args)

soak: setup ## hours in minutes: long runs under load (minutes)
	$(pytest) --long -m 'soak or (slow and not fuzz and not chaos)' $(args)

fuzz: setup ## generated input against every parser, long form
	$(pytest) --long -n $(jobs) -m fuzz $(args)

chaos: setup ## kill -9 at random moments under traffic 50 times each, a flood, and a hostile peer
	$(pytest) --long -m chaos $(args)

clients: ## a client in each language and applications that use them: generated, compiled, and run against a live node (as root: install missing compilers too)
	@packaging/setup.sh clients
	$(pytest) -m '' --no-cov tests/clients tests/examples/frameworks $(args)

rigs: setup ## virtual machines with the Debian package, and what befalls them: boots, losses of power, other firewalls, … (half an hour)
	$(if $(findstring arm64,$(args)),@packaging/setup.sh rigs && $(MAKE) deb suite=trixie arch=arm64)
	@$(MAKE) deb suite=trixie
	@$(MAKE) deb suite=bookworm
	$(bin)/python -m tests.machines $(args)

vagrant: deb ## the hosts of a lab file as machines of Vagrant, the lab on them, and the machines removed (LAB, BOX: see the Vagrantfile)
	@packaging/vagrant/run.sh $(args)

schemas: | $(bin)/python ## write schemas/, and the table of keys in docs/, anew from the code
	$(bin)/python -m appliance.profile.generate
	$(bin)/python -m appliance.api_server.generate
	$(bin)/python -m appliance_server_signalling.schema schemas/signalling-1.schema.json

size: | $(bin)/python ## how much code each room has, as a table
	@$(bin)/python docs/size.py

docs: | $(bin)/python ## write the generated pages and the picture of the house anew, then check that every page says what the code does
	@$(MAKE) schemas
	$(bin)/python -m appliance.cli.reference --write
	mkdir -p build && $(bin)/python docs/house.py >build/house.svg && mv build/house.svg docs/
	$(bin)/python docs/api_reference.py >build/api.md && mv build/api.md docs/
	$(bin)/python docs/sdk_reference.py >build/sdk-reference.md && mv build/sdk-reference.md docs/
	$(bin)/python docs/status.py >build/status.md && mv build/status.md docs/
	$(pytest) -q -n $(jobs) tests/docs $(about_docs) $(args)

wheels: setup ## build every distribution into dist/
	rm -f dist/*.whl
	packaging/wheels.sh dist

deb: setup ## build the Debian package into dist/ (suite=bookworm or trixie, arch=amd64 or arm64)
	rm -rf build/debian/wheels
	packaging/wheels.sh build/debian/wheels
	packaging/debian/build.sh build/debian/wheels dist '$(suite)' '$(arch)'

clean: ## remove what the other words made, .venv and .tools too
	rm -rf build dist .venv .tools .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find appliance plugins tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
