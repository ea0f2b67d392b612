# Everything is built in the release profile, so that tch's C++ part is compiled only once.

CARGO ?= cargo
# Options of the demo and of the tests: make demo ARGS="--steps 200"
ARGS ?=

# Tests that this machine cannot run append their names to this file.
ifndef NEUROMFA_SKIPPED
test test-without-libtorch: forget-skipped
endif
export NEUROMFA_SKIPPED ?= $(CURDIR)/target/skipped.txt

.DEFAULT_GOAL := help

.PHONY: help setup demo soak fuzz test test-without-libtorch forget-skipped bench bench-peers

help:
	@echo "make demo    train a small language model, watch it organise itself, build ./neuromfa (options: ARGS=\"..\")"
	@echo "make test    every test, examples in the documentation included"
	@echo "make test-without-libtorch  the tests that need no libtorch"
	@echo "make soak    attacks on runs, about ten minutes (signals, failing disks, damaged folders and checkpoints)"
	@echo "make fuzz    each fuzz target for MINUTES=5, without a nightly toolchain"
	@echo "make bench   the benchmarks"
	@echo "make bench-peers  NumPy and Python programs of the same method, and tch histograms"
	@echo "make setup   only find or fetch libtorch; plain cargo works after it"
	@echo "Each of them sets up what it needs. docs/setup.md says how."

setup:
	@scripts/libtorch.sh

# The command, as ./neuromfa: a link to what is built.
demo: setup
	$(CARGO) build --release -p neuromfa-cli
	ln -sf "$${CARGO_TARGET_DIR:-target}/release/neuromfa" neuromfa
	$(CARGO) run --release -p neuromfa --example char_lm -- $(ARGS)

# nextest runs no documentation tests.
test: setup
	@(if $(CARGO) nextest --version > /dev/null 2>&1; then \
		set -x && $(CARGO) test --release --doc -p neuromfa \
			&& $(CARGO) nextest run --release --workspace --no-fail-fast $(ARGS); \
	else \
		set -x && $(CARGO) test --release --workspace --no-fail-fast $(ARGS); \
	fi); $(end_tests)

test-without-libtorch:
	@run=test; if $(CARGO) nextest --version > /dev/null 2>&1; then run="nextest run"; fi; \
	(set -x; $(CARGO) $$run --release --workspace --no-default-features --no-fail-fast $(ARGS)); \
	$(end_tests)

forget-skipped:
	@mkdir -p "$(dir $(NEUROMFA_SKIPPED))" && : > "$(NEUROMFA_SKIPPED)"

# Prints the skipped tests in one line; keeps the status of the tests.
define end_tests
status=$$?; touch "$(NEUROMFA_SKIPPED)"; sort -u "$(NEUROMFA_SKIPPED)" | awk \
	'{ list = list (NR > 1 ? ", " : "") $$0 } \
	END { print NR ? NR " skipped: " list : "no test was skipped" }'; exit $$status
endef

# Attacks on runs: signals, failing disks, damaged folders. SOAK=10 is ten times as long.
soak:
	$(CARGO) test --release -p neuromfa-cli --no-default-features --test soak -- --ignored --nocapture soak_

# What cargo-fuzz does, on the stable toolchain. A finding ends it, and is a file target/fuzzing/TARGET-*.
FUZZING = $(CURDIR)/target/fuzzing
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
MINUTES ?= 5
fuzz:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 \
		-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
		-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
		-Cllvm-args=-sanitizer-coverage-trace-compares" \
		$(CARGO) build --release --manifest-path fuzz/Cargo.toml --target-dir $(FUZZING) --target $(HOST)
	@set -e; for target in $$(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2); do \
		corpus=$(FUZZING)/corpus/$$target; \
		[ -d $$corpus ] || { mkdir -p $$corpus; \
			find tests/data -type f -size -64k -exec cp --backup=numbered {} $$corpus \;; }; \
		echo "== $$target"; \
		$(FUZZING)/$(HOST)/release/$$target -max_total_time=$$((60 * $(MINUTES))) -timeout=10 -rss_limit_mb=4096 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=$(FUZZING)/$$target- $$corpus; \
	done

bench: setup
	$(CARGO) bench -p neuromfa

# NumPy comes into a folder of its own.
bench-peers: setup
	@test -x target/peers/bin/python || python3 -m venv target/peers
	@target/peers/bin/python -c 'import numpy' 2> /dev/null || target/peers/bin/pip install -q numpy
	NEUROMFA_PYTHON=target/peers/bin/python $(CARGO) bench -p neuromfa --bench peers
