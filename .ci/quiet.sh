#!/bin/sh
# quiet.sh WHAT COMMAND...   runs a command that must print nothing.
set -eu
what=$1
shift
out=$("$@")
[ -z "$out" ] && exit 0
printf '%s:\n%s\n' "$what" "$out" >&2
exit 1
