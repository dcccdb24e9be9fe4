package cases

import (
	"fmt"
	"strings"
	"testing"
)

// Guest is one handler of a case with the state it keeps.
type Guest interface {
	// Load puts an entry into a cache.
	Load(cache string, e Entry)
	// Send hands records of one partition over as one batch, and returns the
	// outcome of each as Outcome and Failure put it.
	Send(records []Record) []string
	// Advance tells the handler that stream time moved to r.Time without a record,
	// or that none follows, and returns the outcome.
	Advance(r *Record) string
	// Restart goes on with a new instance and the same caches.
	Restart()
	// Entries returns what a cache holds, in any order.
	Entries(cache string) []Entry
	Metric(name string) float64
}

// sizes are the most records in a batch, by mode.
var sizes = map[string]int{"batch": 1024, "sevens": 7, "single": 1, "restart": 1}

// Modes are the ways of handing records over that must not differ.
var Modes = []string{"batch", "sevens", "single", "restart"}

// Run runs a case in every mode, each over a guest that start returns.
func Run(t *testing.T, c *Case, start func(t *testing.T, c *Case) Guest) {
	for _, mode := range Modes {
		t.Run(mode, func(t *testing.T) {
			for _, diff := range Try(c, mode, start(t, c)) {
				t.Error(diff)
			}
		})
	}
}

// Try runs a case in a mode and returns what is not as it should be.
func Try(c *Case, mode string, g Guest) (diffs []string) {
	for cache, entries := range c.Before {
		for _, e := range entries {
			g.Load(cache, e)
		}
	}
	for from := 0; from < len(c.Records); {
		if mode == "restart" && from > 0 && !c.Records[from].Repeated {
			g.Restart()
		}
		to := from + 1
		for to < len(c.Records) && c.Records[to].Partition == c.Records[from].Partition &&
			!c.Records[from].Advance && !c.Records[to].Advance &&
			(to-from < sizes[mode] || mode == "restart" && c.Records[to].Repeated) {
			to++
		}
		var got []string
		if r := &c.Records[from]; r.Advance {
			got = []string{g.Advance(r)}
		} else {
			got = g.Send(c.Records[from:to])
		}
		for i := from; i < to; i++ {
			r := &c.Records[i]
			_, text, _ := cutFailure(got[i-from])
			if want := r.Want(text); got[i-from] != want {
				diffs = append(diffs, fmt.Sprintf("record %d (%q %q, time %d): %s\nwant %s", i, r.Key, r.Value, r.Time, got[i-from], want))
			}
		}
		from = to
	}
	for cache, want := range c.After {
		got := g.Entries(cache)
		Sort(got)
		if got, want := list(got), list(want); got != want {
			diffs = append(diffs, fmt.Sprintf("cache %s:%s\nwant%s", cache, got, want))
		}
	}
	for name, want := range c.Metrics {
		if got := g.Metric(name); got != want {
			diffs = append(diffs, fmt.Sprintf("metric %s: %v, want %v", name, got, want))
		}
	}
	return diffs
}

// list returns entries, a line each.
func list(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "\n  %s", e)
	}
	return b.String()
}
