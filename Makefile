# Everything is built in the release profile, so that tch's C++ part is compiled only once.

CARGO ?= cargo
# Options of the demo: make demo ARGS="--steps 200"
ARGS ?=

.PHONY: help setup demo test bench bench-peers

help:
	@echo "make demo    train a small language model and watch it organise itself (options: ARGS=\"..\")"
	@echo "make test    every test, examples in the documentation included"
	@echo "make bench   the benchmarks"
	@echo "make bench-peers  NumPy and Python programs of the same method, and tch histograms, beside it"
	@echo "make setup   only find or fetch libtorch; plain cargo works after it"
	@echo "Each of them sets up what it needs. docs/setup.md says how."

setup:
	@scripts/libtorch.sh

demo: setup
	$(CARGO) run --release -p neuromfa --example char_lm -- $(ARGS)

# nextest runs no documentation tests.
test: setup
	@if $(CARGO) nextest --version > /dev/null 2>&1; then \
		set -x && $(CARGO) test --release --doc -p neuromfa \
			&& $(CARGO) nextest run --release --workspace --no-fail-fast; \
	else \
		set -x && $(CARGO) test --release --workspace --no-fail-fast; \
	fi

bench: setup
	$(CARGO) bench -p neuromfa

# NumPy comes into a folder of its own.
bench-peers: setup
	@test -x target/peers/bin/python || python3 -m venv target/peers
	@target/peers/bin/python -c 'import numpy' 2> /dev/null || target/peers/bin/pip install -q numpy
	NEUROMFA_PYTHON=target/peers/bin/python $(CARGO) bench -p neuromfa --bench peers
