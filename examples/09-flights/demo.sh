#!/bin/bash
# What `make demo` runs: 20,000 real flights through the handlers in Go, then
# through the same ones in Rust, on the embedded broker, with a report. Each host
# is killed in the middle and started again: nothing is lost or counted twice.
# Every run begins with an empty broker, and none is left behind.
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

export KAFKA
KAFKA=$(head -n 1 "$work/broker.out")

# flights LANG: one whole run with a kill in it; leaves what came out in
# $work/LANG.TOPIC.
flights() {
	export SLIP_LANG=$1 APP=flights-$1
	local state=(--set "state_dir=$work/$1") topic host begun
	sliphost send "${state[@]}" flights --key /origin --timestamp '/date:2006/01/02 15:04' <../data/flights.ndjson >/dev/null
	begun=$(date +%s%N)
	sliphost run --until-idle --log-format json "${state[@]}" 2>"$work/$1.log" &
	host=$!
	until grep -q '"msg":"running"' "$work/$1.log" || ! kill -0 "$host" 2>/dev/null; do sleep 0.02; done
	sleep 0.3
	kill -9 "$host" 2>/dev/null || true
	wait "$host" 2>/dev/null || true
	printf '  killed with -9 when %d were split and %d late ones counted; started again\n' \
		"$(for topic in late on-time; do sliphost tap "${state[@]}" "$topic" --until-end -f '.\n'; done | wc -l)" \
		"$(sliphost tap "${state[@]}" weekly --until-end -f '.\n' | wc -l)"
	sliphost run --until-idle --log-format json "${state[@]}" 2>"$work/$1.log" || { cat "$work/$1.log" >&2; exit 1; }
	awk -v ns="$(($(date +%s%N) - begun))" 'BEGIN { printf "%.1f\n", ns / 1e9 }' >"$work/$1.seconds"
	for topic in late on-time dead weekly; do
		# Partitions come in any order: sorted, two runs can be compared. Offsets
		# have gaps where transactions end.
		sliphost tap "${state[@]}" "$topic" --until-end -f '%p\t%o\t%T\t%k\t%s\n' | sort -k1,1n -k2,2n | cut -f1,3- >"$work/$1.$topic"
	done
	# The figures of a week are those that came last.
	awk -F'\t' '{ last[$3] = $4 } END { for (k in last) print last[k] }' "$work/$1.weekly" | sort >"$work/$1.weeks"
}

count() { wc -l <"$work/$1.$2"; }
seconds() { cat "$work/$1.seconds"; }
row() { printf '  %-28s %8s %8s\n' "$@"; }

for lang in go rust; do
	echo "building the handlers in $lang"
	SLIP_LANG=$lang sliphost build >/dev/null 2>"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
done
for lang in go rust; do
	echo "running them over $(wc -l <../data/flights.ndjson) flights in $lang"
	flights "$lang"
done

echo
row "" Go Rust
row "late by more than 15 minutes" "$(count go late)" "$(count rust late)"
row "on time" "$(count go on-time)" "$(count rust on-time)"
row "refused" "$(count go dead)" "$(count rust dead)"
row "airports and weeks" "$(count go weeks)" "$(count rust weeks)"
row "seconds, kill included" "$(seconds go)" "$(seconds rust)"
echo
echo "  the weeks with the most late flights to an airport"
echo
echo "  airport  week of       late   mean  worst"
sed 's/[{}"]//g; s/[a-z]*://g' "$work/go.weeks" | sort -t, -k3,3nr -k1,2 | sed -n 1,8p |
	awk -F, '{ printf "  %-7s  %s  %5d  %5.1f  %5d min\n", $1, $2, $3, $4, $5 }'
echo

for topic in late on-time dead weeks; do
	cmp -s "$work/go.$topic" "$work/rust.$topic" || {
		echo "demo: Go and Rust wrote different records to $topic:" >&2
		diff "$work/go.$topic" "$work/rust.$topic" | head -n 5 >&2
		exit 1
	}
done
total=$(($(count go late) + $(count go on-time)))
[ "$total" -eq "$(wc -l <../data/flights.ndjson)" ] || { echo "demo: $total records came out" >&2; exit 1; }
counted=$(awk -F'"late":' '{ n += $2 } END { print n }' "$work/go.weeks")
[ "$counted" -eq "$(count go late)" ] || { echo "demo: $counted flights were counted" >&2; exit 1; }
echo "  Every flight came out once and every late one was counted once, in both languages."
