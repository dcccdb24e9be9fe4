package chaos

import (
	"maps"
	"slices"
	"testing"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// scenario is a row of the matrix (reliability.md 2.5).
type scenario struct {
	id, name string
	run      func(a *app)
	// short is the language of the short form, by broker; none: not part of it.
	short map[string]string
}

// scenarios is the matrix. The crash points are in what the host does, whatever
// the broker, and take long: the short form has them on one.
var scenarios = []scenario{
	{"P1", "random kills", randomKills, map[string]string{"embedded": "rust", "apache": "go"}},
	{"P2", "crash points", crashPointKills, map[string]string{"embedded": "go"}},
	{"P3", "zombie", zombie, nil},
	{"P4", "clean stops", cleanStops, map[string]string{"apache": "rust"}},
	{"P5", "lost host", lostHost, nil},
	{"G1", "rebalance storm", storm, nil},
	{"G2", "evictions", evictions, nil},
	{"D1", "full disk", fullDisk, nil},
	{"D3", "spoilt store", spoiltStore, nil},
	{"D5", "stale state", staleState, nil},
}

// together lets a test of the short form run beside others: they wait more than
// they work. In the full matrix each has the machine for itself.
func together(t *testing.T) {
	if !full() {
		t.Parallel()
	}
}

// TestChaos runs the scenarios, in the full matrix with both languages.
func TestChaos(t *testing.T) {
	together(t)
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for _, s := range scenarios {
			languages := []string{"go", "rust"}
			if !full() {
				languages = nil
				if one := s.short[b.Name]; one != "" {
					languages = []string{one}
				}
			}
			for _, language := range languages {
				t.Run(s.id+"/"+language, func(t *testing.T) {
					together(t)
					s.run(newApp(t, b, s.id+" "+s.name, language, options{}))
				})
			}
		}
	})
}

// TestAtLeastOnceIsNotExactlyOnce is a control that needs no seeded bug.
func TestAtLeastOnceIsNotExactlyOnce(t *testing.T) {
	together(t)
	control(newApp(t, kafkatest.Embedded(t), "control", "rust", options{atLeastOnce: true}))
}

// TestSeededBugsAreRefused makes sure that the checker is awake.
func TestSeededBugsAreRefused(t *testing.T) {
	together(t)
	b := kafkatest.Embedded(t)
	for _, tag := range slices.Sorted(maps.Keys(bugs)) {
		t.Run(tag, func(t *testing.T) {
			together(t)
			negativeControl(newApp(t, b, tag, "rust", options{tags: []string{tag}}), bugs[tag])
		})
	}
}
