# What people and CI run; `make help` lists it. Everything works from a clean
# clone, repeatedly, and without a network once the downloads are there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Tools that run from source, so that their version is written here only.
gofumpt := mvdan.cc/gofumpt@v0.12.0
staticcheck := honnef.co/go/tools/cmd/staticcheck@v0.8.2

BENCH ?= .
BENCHTIME ?= 1s
FUZZTIME ?= 10s
RACETIME ?= 20m
CHAOSTIME ?= 4h
TESTTIME ?= 15m

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# librdkafka brings its own zstd, lz4 and zlib. Without this flag the program
# exports them, and the shared RocksDB binds to those instead of its own.
link := -extldflags=-Wl,--exclude-libs,ALL
ifeq (,$(findstring $(link),$(GOFLAGS)))
export GOFLAGS := $(strip $(GOFLAGS) -ldflags=$(link))
endif

guests := build/guests
go_guests := $(notdir $(patsubst %/,%,$(dir $(wildcard sdk/go/sdktest/guests/*/main.go))))
rust_guests := $(notdir $(patsubst %/,%,$(dir $(wildcard sdk/rust/guests/*/Cargo.toml))))
cargo := cargo
cargo_dir := sdk/rust
ready := .cache/setup-done

.PHONY: help setup build guests test race check bench fuzz chaos demo examples kafka kafka-down docs generate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: RocksDB headers, Rust's wasm target
	@.ci/setup.sh
	@mkdir -p .cache && touch $(ready)

$(ready): .ci/setup.sh
	@.ci/setup.sh
	@mkdir -p $(@D) && touch $@

build: $(ready) ## build bin/sliphost
	@mkdir -p bin
	go build -trimpath -ldflags="$(link) -X main.version=$(version)" -o bin/sliphost ./cmd/sliphost
	@if nm -D --defined-only bin/sliphost | grep -E ' [TW] (ZSTD_|LZ4_|XXH|deflate|inflate)'; then \
		echo "bin/sliphost exports compression libraries, which RocksDB would bind to: see 'link' in the Makefile" >&2; exit 1; \
	fi

guests: $(ready) ## build the test guests of both SDKs to build/guests
	@mkdir -p $(guests)
	@for g in $(go_guests); do \
		echo "go guest $$g"; \
		GOOS=wasip1 GOARCH=wasm go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags="-s -w" \
			-o $(guests)/go-$$g.wasm ./sdk/go/sdktest/guests/$$g; \
	done
	@for g in $(rust_guests); do \
		echo "rust guest $$g"; \
		(cd $(cargo_dir) && $(cargo) build -q --locked --release --target wasm32-unknown-unknown -p guest-$$g); \
		cp "$(cargo_dir)/target/wasm32-unknown-unknown/release/$${g//-/_}.wasm" $(guests)/rust-$$g.wasm; \
	done

test: $(ready) guests build ## all tests: Go, Rust, examples
	go vet ./...
	go test -timeout $(TESTTIME) ./...
	cd $(cargo_dir) && $(cargo) test -q --locked --workspace --all-features
	.ci/examples.sh

race: $(ready) guests build ## the Go tests under the race detector
	go test -race -timeout $(RACETIME) ./...

check: $(ready) ## format, vet, staticcheck, layering, generated files, clippy
	@.ci/quiet.sh "gofumpt would change" go run $(gofumpt) -l .
	go vet ./...
	GOOS=wasip1 GOARCH=wasm go vet ./sdk/go/sdktest/guests/...
	go run $(staticcheck) ./...
	go test -count=1 -run '^TestHouse' ./cmd/sliphost
	.ci/generated.sh
	cd $(cargo_dir) && $(cargo) fmt --all --check
	cd $(cargo_dir) && $(cargo) clippy -q --locked --workspace --all-targets --all-features -- -D warnings

bench: $(ready) guests build ## the benchmarks (BENCH=regexp, BENCHTIME=1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $$(.ci/packages.sh Benchmark)

fuzz: $(ready) ## every fuzz target for a while (FUZZTIME=10s)
	.ci/fuzz.sh $(FUZZTIME)

chaos: $(ready) guests ## kill, stop and starve hosts; a table at the end (SLIPHOST_KAFKA=host:port, SLIPHOST_SEED=n, SLIPHOST_ROUNDS=n)
	SLIPHOST_CHAOS=full go test -count=1 -v -timeout $(CHAOSTIME) ./cmd/sliphost/chaos

demo: $(ready) build ## late flights from real data, on the embedded broker
	examples/09-flights/demo.sh

examples: $(ready) build ## every example, in Go and Rust
	.ci/examples.sh

kafka: ## start an Apache Kafka for tests; prints its address
	@kafka/kafkatest/apache.sh start

kafka-down: ## stop it
	@kafka/kafkatest/apache.sh stop

docs: $(ready) ## write the reference pages anew
	go generate -run docs ./...

generate: $(ready) ## write every generated file anew
	go generate ./...

clean: ## remove what was built; downloads stay in .cache
	rm -rf bin build
	cd $(cargo_dir) && $(cargo) clean -q
