package checker

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one difference between what is there and what the input calls
// for.
type Finding struct {
	Check     string // C1 to C9, I9
	Topic     string
	Partition int
	Offset    int64 // -1 where there is none
	Key       string
	Expected  string
	Got       string
}

// String tells a finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Check)
	if f.Topic != "" {
		fmt.Fprintf(&b, " %s", f.Topic)
		if f.Partition >= 0 {
			fmt.Fprintf(&b, "[%d]", f.Partition)
		}
		if f.Offset >= 0 {
			fmt.Fprintf(&b, "@%d", f.Offset)
		}
	}
	if f.Key != "" {
		fmt.Fprintf(&b, " key %q", f.Key)
	}
	fmt.Fprintf(&b, ": expected %s, got %s", f.Expected, f.Got)
	return b.String()
}

// Findings are the differences in the order found.
type Findings []Finding

// Checks lists the names of the checks that found something, sorted.
func (fs Findings) Checks() []string {
	var names []string
	for _, f := range fs {
		if !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	slices.Sort(names)
	return names
}

// Report tells the first findings of every check and topic and counts the
// rest.
func (fs Findings) Report(first int) string {
	type group struct{ check, topic string }
	shown := map[group]int{}
	var order []group
	var b strings.Builder
	for _, f := range fs {
		g := group{f.Check, f.Topic}
		if shown[g] == 0 {
			order = append(order, g)
		}
		if shown[g]++; shown[g] <= first {
			fmt.Fprintln(&b, f)
		}
	}
	for _, g := range order {
		if n := shown[g] - first; n > 0 {
			fmt.Fprintf(&b, "%s %s: %d more\n", g.check, g.topic, n)
		}
	}
	return b.String()
}
