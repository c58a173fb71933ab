# The front door. `make help` lists what there is; everything it needs beyond a Rust toolchain and
# Python 3.11 it installs, pinned, under `.cache/`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ENVIRONMENTS := python3 scripts/environments.py
WHEEL_STAMP := target/wheels/.stamp
BINARY := python/trygon/_bin/trygon
REPORTS := target/reports
SEEDS ?= 200
FUZZ_SECONDS ?= 3600

# Everything that ends up in the wheel; tests and benchmarks of the crates do not.
RUST_SOURCES := $(shell find crates -name '*.rs' -not -path '*/tests/*' -not -path '*/benches/*' 2>/dev/null) \
	Cargo.toml Cargo.lock $(wildcard crates/*/Cargo.toml)
PYTHON_SOURCES := $(shell find python -type f \( -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.md' -o -name py.typed \) 2>/dev/null)

# cargo-nextest runs each test in a process of its own and stops hanging ones; plain `cargo test` will do.
HAVE_NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */\1\t/' | expand -t 12

.PHONY: run
run: target/.fetched wheel ## build the wheel, install it in an empty environment, count words with it (ARGS=... for word_count.py)
	@python=$$($(ENVIRONMENTS) run) && "$$python" examples/word_count.py $(ARGS)

.PHONY: test
test: ## every check and every test, the quick ones first
	@rm -rf $(REPORTS)
	@$(MAKE) --no-print-directory format-check clippy test-rust sim wheel typing test-python fuzz-short
	@python3 scripts/summary.py $(REPORTS)

.PHONY: check
check: format-check clippy tidy ## what is quick: format, lints, the laws of the tree

.PHONY: wheel
wheel: $(WHEEL_STAMP) ## one wheel with the extension and the `trygon` binary, under target/wheels

# The linker is the toolchain's own: rustc uses its bundled lld on x86-64 Linux already.
$(WHEEL_STAMP): $(RUST_SOURCES) $(PYTHON_SOURCES) scripts/environments.py
	@mkdir -p $(dir $(BINARY)) target/wheels
	cargo build --release --locked --package trygon-cli --bin trygon
	install -m 755 target/release/trygon $(BINARY)
	rm -f target/wheels/trygon-*.whl
	python=$$($(ENVIRONMENTS) build) && cd python && \
		"$${python%/*}/maturin" build --quiet --release --locked --interpreter "$$python" --out ../target/wheels
	@ls -l target/wheels/trygon-*.whl | awk '{ printf "built %s, %.1f MB\n", $$NF, $$5 / 1e6 }'
	@touch $@

# All of the lock file's crates, other systems' too: after it nothing else is downloaded from the crate registry, and the
# main job has their sources to count.
target/.fetched: Cargo.lock
	cargo fetch --locked
	@mkdir -p target && touch $@

.PHONY: develop
develop: wheel ## the newest wheel in the test environments, their interpreters printed
	@$(ENVIRONMENTS) test

.PHONY: format-check
format-check: ## rustfmt and ruff, without changing anything
	cargo fmt --all --check
	@python=$$($(ENVIRONMENTS) build) && "$${python%/*}/ruff" check --config python/pyproject.toml python examples scripts $(wildcard tests)

.PHONY: format
format: ## let rustfmt and ruff rewrite the sources
	cargo fmt --all
	@python=$$($(ENVIRONMENTS) build) && "$${python%/*}/ruff" check --fix --config python/pyproject.toml python examples scripts $(wildcard tests)

.PHONY: clippy
clippy: ## lints, warnings refused
	cargo clippy --locked --workspace --all-targets -- --deny warnings

.PHONY: tidy
tidy: ## the laws of the tree: layers, purity, lengths, cycles, labels, imports
	cargo run --quiet --locked --package xtask -- tidy

.PHONY: test-rust
test-rust: ## unit, property, snapshot and tidy tests
	@mkdir -p $(REPORTS)
ifeq ($(HAVE_NEXTEST),yes)
	cargo nextest run --locked --workspace --profile ci
	@cp target/nextest/ci/junit.xml $(REPORTS)/rust.xml
else
	cargo test --locked --workspace
endif

.PHONY: sim
sim: ## the seeded simulator: SEEDS=200 of them, then its planted defects
	cargo run --quiet --release --locked --package trygon-sim -- --seeds $(SEEDS)
	cargo run --quiet --release --locked --package trygon-sim -- --defects

.PHONY: test-python
test-python: wheel ## end-to-end tests of the newest wheel: all on the oldest CPython from 3.11 on, some on each other one (K=... selects, EVERYTHING=1: all on all)
	@mkdir -p $(REPORTS)
	@$(ENVIRONMENTS) test > target/test-interpreters
	@$(ENVIRONMENTS) s3
	@mapfile -t pythons < target/test-interpreters; scripts/end-to-end.sh "$(REPORTS)" $(if $(K),-k '$(K)') -- "$${pythons[@]}"

.PHONY: test-cluster
test-cluster: ## the end-to-end tests with everything on another node of a cluster (K=... selects)
	TRYGON_TEST_CLUSTER=1 $(MAKE) --no-print-directory test-python

.PHONY: chaos
chaos: wheel ## tasks, calls and objects on four machines while everything fails, for long; as root (ARGS=... for tests/chaos/run.py)
	@$(ENVIRONMENTS) test > target/test-interpreters
	@read -r python < target/test-interpreters; cd tests && TRYGON_TEST_INSTALLED=1 "$$python" -m chaos.run $(ARGS)

.PHONY: soak
soak: wheel ## mixed operations for half an hour; memory, descriptors and threads stay flat (ARGS=... for tests/chaos/soak.py)
	@$(ENVIRONMENTS) test > target/test-interpreters
	@read -r python < target/test-interpreters; cd tests && TRYGON_TEST_INSTALLED=1 "$$python" -m chaos.soak $(ARGS)

.PHONY: typing
typing: wheel ## mypy and pyright on the package and on the corpus of typed programs
	@mkdir -p $(REPORTS)
	@python=$$($(ENVIRONMENTS) build) && scripts/typing.sh "$${python%/*}" $(REPORTS)/typing.xml

.PHONY: bench
bench: wheel ## Trygon beside Ray and multiprocessing.Pool, one table with ratios (ARGS=... for bench/run)
	bench/run $(ARGS)

.PHONY: fuzz
fuzz: ## libFuzzer on everything that reads foreign bytes, FUZZ_SECONDS=3600 for each target (TARGETS=... selects)
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run $(TARGETS)

# The same inputs each time, so that a failure is of the change.
.PHONY: fuzz-short
fuzz-short: ## the same for a minute each, two at a time, and less for parsers that seconds are enough for
	FUZZ_SECONDS=60 FUZZ_SHORT=1 FUZZ_JOBS=2 fuzz/run $(TARGETS)

.PHONY: bombs
bombs: wheel ## BOMBS=1000 tasks that use too much memory: only they die, and how fast
	@python=$$($(ENVIRONMENTS) test | head -1); "$$python" scripts/memory_bombs.py --bombs $(or $(BOMBS),1000)

.PHONY: cgroup-v2
cgroup-v2: wheel ## the tests of memory on a real kernel with control groups of version 2, in QEMU (ARGS=... for scripts/cgroup_v2.py)
	@python3 scripts/cgroup_v2.py $(ARGS)

.PHONY: docs
docs: ## the crates' reference, under target/doc
	cargo doc --locked --workspace --no-deps --document-private-items

.PHONY: clean
clean: ## delete what was built and every environment
	rm -rf target .cache python/trygon/_bin
