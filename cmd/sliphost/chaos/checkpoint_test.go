package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// TestCheckpointKills is C1: two hosts have the partitions of a dependent and
// its dependency between them; one, or both, are killed before, in and after a
// pause, a recovery and a seek, at random moments.
func TestCheckpointKills(t *testing.T) {
	together(t)
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for language, place := range cpLanguages(b) {
			t.Run(language, func(t *testing.T) {
				together(t)
				a := newCPApp(t, b, language, "default", place)
				hosts := []*process{a.run("a"), a.run("b")}
				names := []string{"a", "b"}
				for range rounds(4, 40) {
					victims := []int{a.rnd.IntN(2)}
					if a.rnd.IntN(3) == 0 {
						victims = []int{0, 1}
					}
					stage := []string{"before", "running", "detecting", "paused", "recovering", "replaying"}[a.rnd.IntN(6)]
					a.cpRound(nil, func(at string) {
						if at != stage {
							return
						}
						time.Sleep(time.Duration(a.rnd.IntN(150)) * time.Millisecond)
						for _, i := range victims {
							if hosts[i].ended() {
								t.Fatalf("process %s ended by itself:\n%s", hosts[i].name, hosts[i].tail())
							}
							hosts[i].kill()
							a.kills++
						}
						for _, i := range victims {
							hosts[i] = a.run(names[i])
						}
					})
				}
				for _, h := range hosts {
					h.stop(t)
				}
				a.judge()
			})
		}
	})
}

// TestCheckpointCrashPoints is C2: a host kills itself at each place of what a
// checkpoint does, while another one has the rest of the partitions.
func TestCheckpointCrashPoints(t *testing.T) {
	together(t)
	points := slices.DeleteFunc(crashPoints(t), func(name string) bool { return !strings.HasPrefix(name, "checkpoint-") })
	if len(points) == 0 {
		t.Fatal("the host's source names no crash points of checkpoints")
	}
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for language, place := range cpLanguages(b) {
			t.Run(language, func(t *testing.T) {
				together(t)
				a := newCPApp(t, b, language, "default", place)
				other := a.run("b")
				for n := range rounds(1, 5) {
					for _, point := range points {
						h := a.run("a", fmt.Sprintf("SLIPHOST_CRASH_AT=%s:%d", point, 1+a.rnd.IntN(1+n)))
						a.await("the host to join", func() bool { return a.joined(h) }, nil)
						crashed := false
						for range 3 { // a rebalance may be under way
							// It comes back at once, as under a supervisor.
							a.cpRound(func() {
								if h.ended() && !crashed {
									if !h.crashed() {
										t.Fatalf("process %s should crash at %s and ended with %s:\n%s", h.name, point, h.cmd.ProcessState, h.tail())
									}
									crashed = true
									a.kills++
									h = a.run("a")
								}
							}, func(string) {})
							if crashed {
								break
							}
						}
						if !crashed {
							t.Errorf("crash point %s was not reached", point)
						}
						h.stop(t)
					}
				}
				other.stop(t)
				a.judge()
			})
		}
	})
}

// cpLanguages are the languages of the handlers on a broker, each with the place
// that its handler goes back to.
func cpLanguages(b *kafkatest.Broker) map[string]string {
	all := map[string]string{"go": "detected", "rust": "healthy"}
	if !full() {
		delete(all, map[string]string{"embedded": "rust", "apache": "go"}[b.Name])
	}
	return all
}

// judge ends the run: everything came out, as the model says.
func (a *cpApp) judge() {
	a.t.Helper()
	a.model.end()
	if len(a.model.faults) > 0 {
		a.t.Errorf("%s", strings.Join(a.model.faults, "\n"))
	}
	downs, replays := 0, 0
	for _, p := range a.model.parts {
		downs += p.downs
		replays += p.replays
	}
	a.t.Logf("%d inputs, %d kills, %d downtimes, %d records replayed, %d records came out", len(a.model.inputs), a.kills, downs, replays, len(a.events))
}
