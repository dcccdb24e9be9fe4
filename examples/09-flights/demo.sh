#!/bin/bash
# What `make demo` runs: 20,000 real flights through the handler in Go, then
# through the same one in Rust, on the embedded broker, with a report. Every run
# begins with an empty broker, and none is left behind.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export PATH="$root/bin:$PATH" LC_ALL=C
unset APP KAFKA
command -v sliphost >/dev/null || { echo "demo: bin/sliphost is missing: run make build" >&2; exit 1; }

mkdir -p "$root/build"
work=$(mktemp -d "$root/build/demo.XXXXXX")
broker=
finish() {
	code=$?
	if [ -n "$broker" ]; then
		kill "$broker" 2>/dev/null || true
		wait "$broker" || true
	fi
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Commands would start a broker by themselves, and it would stay for a while
# after the last one; this one ends with the demo.
sliphost broker --dir "$work/broker" --idle-exit 0 >"$work/broker.out" 2>"$work/broker.log" &
broker=$!
until [ -s "$work/broker.out" ]; do
	kill -0 "$broker" 2>/dev/null || { cat "$work/broker.log" >&2; exit 1; }
	sleep 0.05
done

# flights LANG: one whole run; leaves what came out in $work/LANG.TOPIC.
flights() {
	export SLIP_LANG=$1 APP=flights-$1
	local state=(--set "state_dir=$work")
	sliphost send "${state[@]}" flights --key /origin --timestamp '/date:2006/01/02 15:04' <../data/flights.ndjson >/dev/null
	sliphost run --until-idle --log-format json "${state[@]}" 2>"$work/$1.log" || { cat "$work/$1.log" >&2; exit 1; }
	local topic
	for topic in late on-time dead; do
		# Partitions come in any order: sorted, two runs can be compared.
		sliphost tap "${state[@]}" "$topic" --until-end -f '%p\t%o\t%T\t%k\t%s\n' | sort -k1,1n -k2,2n >"$work/$1.$topic"
	done
}

count() { wc -l <"$work/$1.$2"; }
seconds() { sed -n 's/.*"msg":"stopped".*"seconds":\([0-9]*\.\?[0-9]\?[0-9]\?\).*/\1/p' "$work/$1.log"; }
row() { printf '  %-28s %8s %8s\n' "$@"; }

for lang in go rust; do
	echo "building the handler in $lang"
	SLIP_LANG=$lang sliphost build >/dev/null 2>"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
done
for lang in go rust; do
	echo "running it over $(wc -l <../data/flights.ndjson) flights in $lang"
	flights "$lang"
done

echo
row "" Go Rust
row "late by more than 15 minutes" "$(count go late)" "$(count rust late)"
row "on time" "$(count go on-time)" "$(count rust on-time)"
row "refused" "$(count go dead)" "$(count rust dead)"
row "seconds for all of it" "$(seconds go)" "$(seconds rust)"
echo
echo "  airports with the most late departures, and the worst delay of each"
echo
cat "$work/go.late" "$work/go.on-time" | cut -f5 | awk -F'"' '
	{ origin = $12; split($7, d, /[:,]/); delay = d[2]; all[origin]++ }
	delay > 15 {
		late[origin]++
		if (delay > most[origin]) { most[origin] = delay; which[origin] = $4 " to " $16 }
	}
	END {
		for (o in late)
			printf "  %s  %4d of %4d late  %3d%%  %4d min  %s\n", o, late[o], all[o], 100 * late[o] / all[o], most[o], which[o]
	}' | sort -k2,2nr -k1,1 | head -n 8
echo

for topic in late on-time dead; do
	cmp -s "$work/go.$topic" "$work/rust.$topic" || {
		echo "demo: Go and Rust wrote different records to $topic:" >&2
		diff "$work/go.$topic" "$work/rust.$topic" | head -n 5 >&2
		exit 1
	}
done
total=$(($(count go late) + $(count go on-time)))
[ "$total" -eq "$(wc -l <../data/flights.ndjson)" ] || { echo "demo: $total records came out" >&2; exit 1; }
echo "  Go and Rust wrote the same $total records: partition, offset, time, key, value."
