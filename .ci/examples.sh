#!/bin/bash
# Runs every example: its check.sh where it has one, else its golden tests
# (*.test.toml) once its modules are built in both languages.
set -euo pipefail
ran=0
for dir in examples/[0-9]*/; do
	[ -d "$dir" ] || continue
	echo "example ${dir%/}"
	if [ -x "$dir/check.sh" ]; then
		"$dir/check.sh"
	else
		compgen -G "$dir*.test.toml" >/dev/null || {
			echo "${dir%/} has neither check.sh nor a *.test.toml" >&2
			exit 1
		}
		for lang in go rust; do
			SLIP_LANG=$lang bin/sliphost build "$dir"manifest.toml
		done
		bin/sliphost test "$dir"manifest.toml
	fi
	ran=$((ran + 1))
done
echo "$ran examples"
