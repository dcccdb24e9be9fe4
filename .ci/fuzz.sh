#!/bin/bash
# fuzz.sh TIME   runs each fuzz target of the repository for TIME.
set -euo pipefail
time=$1
failed=0
for dir in $(.ci/packages.sh Fuzz); do
	for target in $(go test -list '^Fuzz' "$dir" | grep '^Fuzz'); do
		echo "fuzz $dir $target"
		# Unbounded, making one large input smaller takes all the time.
		if out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 500x "$dir" 2>&1); then
			continue
		fi
		# The Go tool sometimes reports the end of the time as a failure; a real
		# one names the input it found.
		if grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input' <<<"$out"; then
			continue
		fi
		echo "$out"
		failed=1
	done
done
exit $failed
