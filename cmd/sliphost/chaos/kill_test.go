package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
)

// randomKills is P1: two processes share the partitions, and one or the other,
// now and then both, are killed at a random moment and started again.
func randomKills(a *app) {
	a.rounds, a.mustAbort = rounds(4, 100), true
	a.start()
	hosts := []*process{a.run("a"), a.run("b")}
	a.progress(1)
	for n := range a.rounds {
		if n%2 == 0 {
			a.progress(100) // on a slow machine all would die before they work
		}
		a.sleep(a.exponential(mean()))
		victims := []int{a.rnd.IntN(len(hosts))}
		if a.rnd.IntN(5) == 0 {
			victims = []int{0, 1}
		}
		for _, i := range victims {
			if hosts[i].ended() {
				a.t.Fatalf("process %s ended by itself:\n%s", hosts[i].name, hosts[i].tail())
			}
			a.killed(hosts[i])
		}
		for _, i := range victims {
			hosts[i] = a.run([]string{"a", "b"}[i])
		}
	}
	a.progress(1)
	for _, h := range hosts {
		a.up(h)
		h.stop(a.t)
	}
	a.finish("a")
}

// mean is the mean time between two kills.
func mean() time.Duration {
	if full() {
		return 2 * time.Second
	}
	return 500 * time.Millisecond
}

// crashPointKills is P2: a process kills itself at each named place, while
// another one comes and goes so that the group moves.
func crashPointKills(a *app) {
	// The application here has no checkpoint: those are C2's.
	points := slices.DeleteFunc(crashPoints(a.t), func(name string) bool { return strings.HasPrefix(name, "checkpoint-") })
	if len(points) == 0 {
		a.t.Fatal("the host's source names no crash points")
	}
	if a.delivery != checker.ExactlyOnce {
		a.t.Skip("most crash points are in what exactly_once does")
	}
	a.mustAbort = true
	a.start()
	hits, took := map[string]int{}, map[string]time.Duration{}
	perPoint := rounds(1, 20)
	for n := range perPoint {
		for _, point := range points {
			a.rounds++
			at := 1
			if n > 0 {
				at = 1 + a.rnd.IntN(4*n)
			}
			began := time.Now()
			// A place on the way up is not passed as often as one of each commit.
			if a.crashAt(point, at) || at > 1 && a.crashAt(point, 1) {
				hits[point]++
			}
			took[point] += time.Since(began)
		}
	}
	for _, point := range points {
		if hits[point] < perPoint {
			a.t.Errorf("crash point %s was hit %d of %d times", point, hits[point], perPoint)
		}
		a.t.Logf("crash point %-22s hit %d of %d times, %s", point, hits[point], perPoint, took[point].Round(time.Millisecond))
	}
	// The second one was killed last and may have left a transaction open, which
	// ends when it comes back.
	hosts := []*process{a.run("a"), a.run("b")}
	a.progress(1)
	for _, h := range hosts {
		a.up(h)
		h.stop(a.t)
	}
	a.finish("a")
}

// crashLimit is how long a process may take to reach a crash point. It is a
// bound, not a duration: all is over at the hit.
const crashLimit = time.Minute

// crashAt runs a process until it has killed itself at the n-th hit of a
// point. All the while a second one joins and leaves, and members are put out
// of the group, which is what transactions are aborted for.
func (a *app) crashAt(point string, n int) bool {
	a.t.Helper()
	if strings.HasPrefix(point, "restore-") {
		// Whether a store is behind when a host comes up is a matter of moments,
		// and static members keep their partitions: so there is none.
		if err := os.RemoveAll(filepath.Join(a.state("a"), "store")); err != nil {
			a.t.Fatal(err)
		}
	}
	a.dismiss("a") // what the last one left behind
	p := a.run("a", fmt.Sprintf("SLIPHOST_CRASH_AT=%s:%d", point, n))
	var other *process
	defer func() {
		if other != nil {
			a.killed(other)
		}
	}()
	// Disturbed at a fixed pace, a slow machine would never get as far as a
	// commit: so each disturbance comes later than the last.
	pace := 1500 * time.Millisecond
	if !full() {
		pace = 700 * time.Millisecond
	}
	end := time.Now().Add(crashLimit)
	next := time.Now().Add(pace)
	for turn := 0; time.Now().Before(end) && !p.ended(); time.Sleep(5 * time.Millisecond) {
		if time.Now().Before(next) {
			continue
		}
		switch turn++; {
		case turn%3 == 1:
			a.evict("a")
		case other == nil:
			other = a.run("b")
			a.awaitAssigned(other, p.ended)
		default:
			other.stop(a.t)
			other = nil
			a.dismiss("a")
		}
		pace += pace / 4
		next = time.Now().Add(pace)
	}
	if !p.ended() { // the last chance: points on the way out
		p.signal(syscall.SIGTERM)
		if !waitFor(p, 20*time.Second) {
			a.t.Fatalf("process %s does not end:\n%s", p.name, p.tail())
		}
		if !p.crashed() {
			return false
		}
	}
	if !p.crashed() {
		a.t.Fatalf("process %s should crash at %s and ended with %s:\n%s", p.name, point, p.cmd.ProcessState, p.tail())
	}
	a.kills++
	return true
}

// waitFor waits for a process to end.
func waitFor(p *process, limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// negativeControl runs a host with a seeded bug: the checker must refuse what
// it does, by one of the checks named.
func negativeControl(a *app, checks []string) {
	a.rounds = 3
	h := a.run("a")
	a.start()
	// A host may find out itself, such as that it committed more than there is,
	// and end: that is another crash here.
	progress := func(n int64) {
		target := a.watch.done.Load() + n
		for range 100 {
			if !a.awaitProgress(target, h.ended) {
				break
			}
			if a.watch.done.Load() >= target {
				return
			}
			h = a.run("a")
		}
		a.t.Fatalf("no progress of the host with a bug:\n%s", a.newest())
	}
	for range a.rounds {
		for range 2 {
			progress(300)
			a.evict("a")
		}
		progress(300)
		a.killed(h)
		h = a.run("a")
	}
	progress(1000)
	a.load.finish(a.t)
	a.endOf(h)
	// It need not come to an end: what is there by then is judged.
	last := a.runWith("a", nil, "--until-idle")
	if !waitFor(last, 6*time.Second) {
		a.t.Log("the host does not become idle")
		last.kill()
		a.endOf(a.run("a")) // ends the transaction that the other left open
	}
	a.judge("a")
	found := a.findings.Checks()
	a.t.Logf("found by %v:\n%s", found, a.findings.Report(2))
	result := fmt.Sprintf("refused by %v", found)
	if !slices.ContainsFunc(found, func(c string) bool { return slices.Contains(checks, c) }) {
		result = "NOT REFUSED"
		a.t.Errorf("the seeded bug of %s must be found by one of %v, and %v found something", a.scenario, checks, found)
	}
	a.row(result)
}

// endOf stops a host with a bug, which may have ended.
func (a *app) endOf(h *process) {
	a.t.Helper()
	h.signal(syscall.SIGTERM)
	if !waitFor(h, 40*time.Second) {
		a.t.Fatalf("process %s does not end:\n%s", h.name, h.tail())
	}
}

// control runs a host at least once and has it judged as exactly once: the
// checker must not be content.
func control(a *app) {
	a.rounds = 2
	h := a.run("a")
	a.start()
	for range a.rounds {
		a.progress(1000)
		a.killed(h)
		h = a.run("a")
	}
	a.progress(500)
	a.load.finish(a.t)
	h.stop(a.t)
	a.drain("a")
	a.delivery = checker.ExactlyOnce
	a.judge("a")
	found := a.findings.Checks()
	if !slices.Contains(found, "C4") {
		a.t.Errorf("outputs of no transaction pass for exactly once: only %v found something", found)
	}
	a.row(fmt.Sprintf("refused by %v", found))
}

// bugs are the seeded bugs, by build tag, with the checks that must find them.
var bugs = map[string][]string{
	"bug_dup":   {"C2", "C4"}, // offsets that lag are seen also where no crash repeats records
	"bug_loss":  {"C1"},
	"bug_order": {"C3"},
	"bug_state": {"C5"},
}
