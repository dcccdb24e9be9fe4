#!/bin/sh
# Installs what the build needs and this machine lacks. Does nothing, and needs
# no network, where all is there. Says in one line what it cannot install.
set -eu

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt installs Debian packages, as root or by sudo.
apt() {
	have apt-get || die "missing: $*; install these packages by your system's means"
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		have sudo || die "missing: $*; run as root: apt-get install $*"
		as_root=sudo
		[ -t 0 ] || as_root="sudo -n"
	fi
	printf 'setup: installing %s\n' "$*" >&2
	log=$(mktemp)
	if ! DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1; then
		$as_root apt-get update -q >"$log" 2>&1 &&
			DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 ||
			die "could not install $*: $(tail -n1 "$log")"
	fi
	rm -f "$log"
}

# headers says whether the C headers that state/ includes are found.
headers() {
	printf '#include <%s>\n' rocksdb/c.h zstd.h lz4.h zlib.h snappy-c.h |
		gcc -E -x c - >/dev/null 2>&1
}

# at_least MAJOR.MINOR VERSION
at_least() {
	[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]
}

wasm_target() {
	dir=$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) &&
		ls "$dir"/libcore-*.rlib >/dev/null 2>&1
}

have gcc && have g++ || apt gcc g++
have git || apt git
headers || apt librocksdb-dev libsnappy-dev liblz4-dev libzstd-dev zlib1g-dev
headers || die "the RocksDB headers are still not found: is gcc looking in another place than /usr/include?"

have go || die "go is missing: install Go 1.26 or newer from the Go project and put it on PATH"
go_version=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
at_least 1.26 "$go_version" || die "go is version $go_version: install 1.26 or newer from the Go project"

if ! have cargo || ! have rustc; then
	apt rustc cargo libstd-rust-dev-wasm32
fi
rust_version=$(rustc --version | cut -d' ' -f2)
at_least 1.63 "$rust_version" || die "rustc is version $rust_version: install 1.63 or newer with rustup"
if ! wasm_target; then
	if have rustup; then
		printf 'setup: adding the Rust target wasm32-unknown-unknown\n' >&2
		rustup -q target add wasm32-unknown-unknown >/dev/null 2>&1 ||
			die "could not add it: run rustup target add wasm32-unknown-unknown"
	elif dpkg -S "$(readlink -f "$(command -v rustc)")" 2>/dev/null | grep -q '^rustc:'; then
		apt libstd-rust-dev-wasm32
	fi
	wasm_target || die "rustc has no target wasm32-unknown-unknown: install Rust with rustup"
fi

# Only make check needs these, so their absence is no reason to stop here.
if have rustup && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
	printf 'setup: adding rustfmt and clippy\n' >&2
	rustup -q component add rustfmt clippy >/dev/null 2>&1 || true
fi
