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
	// short scenarios are part of the short form, in the language named.
	short string
}

var scenarios = []scenario{
	{"P1", "random kills", randomKills, "rust"},
	{"P2", "crash points", crashPointKills, "go"},
	{"P3", "zombie", zombie, ""},
	{"P4", "clean stops", cleanStops, "rust"},
	{"G1", "rebalance storm", storm, ""},
	{"D1", "full disk", fullDisk, ""},
	{"D3", "spoilt store", spoiltStore, "rust"},
	{"D5", "stale state", staleState, ""},
}

// TestChaos runs the scenarios, in the full matrix with both languages.
func TestChaos(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for _, s := range scenarios {
			languages := []string{"go", "rust"}
			if !full() {
				languages = nil
				if s.short != "" {
					languages = []string{s.short}
				}
			}
			for _, language := range languages {
				t.Run(s.id+"/"+language, func(t *testing.T) {
					s.run(newApp(t, b, s.id+" "+s.name, language, options{}))
				})
			}
		}
	})
}

// TestAtLeastOnceIsNotExactlyOnce is a control that needs no seeded bug.
func TestAtLeastOnceIsNotExactlyOnce(t *testing.T) {
	control(newApp(t, kafkatest.Embedded(t), "control", "rust", options{atLeastOnce: true}))
}

// TestSeededBugsAreRefused makes sure that the checker is awake.
func TestSeededBugsAreRefused(t *testing.T) {
	b := kafkatest.Embedded(t)
	for _, tag := range slices.Sorted(maps.Keys(bugs)) {
		t.Run(tag, func(t *testing.T) {
			negativeControl(newApp(t, b, tag, "rust", options{tags: []string{tag}}), bugs[tag])
		})
	}
}
