# make demo · make test · make verify (never writes) · make fix · make bench
#
# Every target installs the system packages it needs (see deploy/install-build-deps), so that a
# fresh Debian machine with rustup's stable toolchain needs nothing else.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/holdfast
export CARGO_TARGET_DIR ?= $(CACHE)/target
# One virtual environment for the Python tools that tests and benchmarks use.
export HOLDFAST_VENV ?= $(CACHE)/venv
# Tests that could not run on this machine write their names here; the last lines of make test show them.
export HOLDFAST_SKIP_REPORT ?= $(CARGO_TARGET_DIR)/skipped-tests

CARGO ?= cargo
DEMO_ARGS ?=

.PHONY: help build-deps test-deps bench-deps demo release test verify fix bench

help:
	@sed -n '1,4p' Makefile

build-deps:
	@deploy/install-build-deps build

test-deps: build-deps
	@deploy/install-build-deps test

bench-deps: build-deps
	@deploy/install-build-deps bench

release: build-deps
	$(CARGO) build --release --locked --package node --bin holdfast

# Starts one node on ./demo-data; Ctrl-C stops it, a second run finds its data again.
demo: release
	@exec "$(CARGO_TARGET_DIR)/release/holdfast" demo $(DEMO_ARGS)

# The binaries are built before the tests run, since tests start them as processes.
test: test-deps
	@mkdir -p "$(dir $(HOLDFAST_SKIP_REPORT))" && : > "$(HOLDFAST_SKIP_REPORT)"
	$(CARGO) build --locked --workspace --bins --examples
	$(CARGO) test --locked --workspace
	"$(HOLDFAST_VENV)/bin/python" docs/reference/blob_reader.py --self-test node/crypto/tests/golden
	@deploy/report-skipped-tests "$(HOLDFAST_SKIP_REPORT)"

verify: build-deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	$(CARGO) test --locked --package cluster-tests --test house --quiet

fix: build-deps
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

# Side by side with nginx, in one run; the report goes to target/bench.
bench: bench-deps release
	$(CARGO) build --release --locked --package node --package raft --bin holdfast --bin raft-state-size
	$(CARGO) build --release --locked --package cluster-tests-bench
	"$(CARGO_TARGET_DIR)/release/holdfast-bench" suite --holdfast "$(CARGO_TARGET_DIR)/release/holdfast" --state-size "$(CARGO_TARGET_DIR)/release/raft-state-size" --out "$(CARGO_TARGET_DIR)/bench" $(BENCH_ARGS)
