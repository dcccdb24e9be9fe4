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
	// Restart goes on with a new instance and the same caches.
	Restart()
	// Entries returns what a cache holds, in any order.
	Entries(cache string) []Entry
	Metric(name string) float64
}

// Run runs a case in the three ways that must not differ, each over a guest
// that start returns.
func Run(t *testing.T, c *Case, start func(t *testing.T, c *Case) Guest) {
	for _, mode := range []string{"batch", "single", "restart"} {
		t.Run(mode, func(t *testing.T) {
			g := start(t, c)
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
					(mode == "batch" || mode == "restart" && c.Records[to].Repeated) {
					to++
				}
				got := g.Send(c.Records[from:to])
				for i := from; i < to; i++ {
					r := &c.Records[i]
					_, text, _ := cutFailure(got[i-from])
					if want := r.Want(text); got[i-from] != want {
						t.Errorf("record %d (%q %q): %s\nwant %s", i, r.Key, r.Value, got[i-from], want)
					}
				}
				from = to
			}
			for cache, want := range c.After {
				got := g.Entries(cache)
				Sort(got)
				if got, want := list(got), list(want); got != want {
					t.Errorf("cache %s:%s\nwant%s", cache, got, want)
				}
			}
			for name, want := range c.Metrics {
				if got := g.Metric(name); got != want {
					t.Errorf("metric %s: %v, want %v", name, got, want)
				}
			}
		})
	}
}

// list returns entries, a line each.
func list(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "\n  %s", e)
	}
	return b.String()
}
