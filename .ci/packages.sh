#!/bin/sh
# packages.sh PREFIX   prints the Go packages with a test function of that
# prefix (Benchmark, Fuzz), so that others need not be built to find none.
set -eu
grep -rl --include='*_test.go' --exclude-dir=testdata --exclude-dir=target --exclude-dir=.cache "^func $1[A-Z]" . |
	xargs -r -n1 dirname | sort -u
