#!/bin/bash
# Fails when a generated file is not what its generator writes. Works in a
# tree with other changes too: it compares before and after.
set -euo pipefail
state() {
	git diff --no-ext-diff --binary
	git ls-files --others --exclude-standard -z | xargs -0 -r sha256sum
}
before=$(state | sha256sum)
names=$(git status --porcelain)
go generate ./...
[ "$before" = "$(state | sha256sum)" ] && exit 0
echo "go generate ./... changed files; commit what it wrote:" >&2
git status --porcelain | diff <(echo "$names") - >&2 || true
git diff --stat >&2
exit 1
