package chaos

import (
	"fmt"
	"syscall"
	"time"
)

// zombie is P3: a process is stopped for longer than the group waits, another
// one takes over, and then the first goes on with what it had in hand.
func zombie(a *app) {
	a.rounds, a.mustAbort = rounds(1, 5), false
	a.start()
	first := a.run("a")
	a.progress(2000)
	for range a.rounds {
		first.signal(syscall.SIGSTOP)
		a.watch.outage.Store(true)
		second := a.run("b")
		a.takenOver()
		a.progress(2000)
		first.signal(syscall.SIGCONT)
		a.sleep(a.upTo(3 * time.Second))
		a.progress(500)
		second.stop(a.t)
		if first.ended() { // told that it is fenced, it may also stop
			first = a.run("a")
		}
		a.progress(500)
	}
	first.stop(a.t)
	a.finish("a")
}

// lostHost is F10: a host is killed and never comes back, and its disk is lost.
// The transaction that it left open ends by its timeout.
func lostHost(a *app) {
	a.rounds = rounds(1, 5)
	a.start()
	stays := a.run("a")
	a.progress(1000)
	for n := range a.rounds {
		lost := a.run(fmt.Sprintf("lost-%d", n))
		a.progress(1000)
		a.sleep(time.Second + a.upTo(time.Second))
		a.watch.outage.Store(true)
		a.killed(lost)
		a.takenOver()
		a.progress(1000)
	}
	stays.stop(a.t)
	a.finish("a")
}

// evictions is G2: members are put out of the group while they work, by LeaveGroup
// as an operator's tool does it, and come back.
func evictions(a *app) {
	a.rounds = rounds(5, 50)
	a.start()
	hosts := []*process{a.run("a"), a.run("b")}
	a.progress(1000)
	for range a.rounds {
		a.evict([]string{"a", "b"}[a.rnd.IntN(2)])
		a.sleep(a.upTo(time.Second))
		a.progress(500)
	}
	for _, h := range hosts {
		h.stop(a.t)
	}
	a.finish("a")
}

// takenOver waits until something of a stopped process is given to another. That
// takes the session timeout, 10 s; and where positions were in an open
// transaction, until that is out of time, 30 s, which a broker may look for each
// 10 s only.
func (a *app) takenOver() {
	a.t.Helper()
	const limit = 55 * time.Second
	// What was under way when it stopped is soon seen; the rest are others' doing.
	time.Sleep(3 * time.Second)
	parts := a.watch.latest()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		now := a.watch.latest()
		moved := 0
		for p := range now {
			if now[p] > parts[p] {
				moved++
			}
		}
		if moved == len(now) {
			break
		}
		if time.Now().After(end) {
			a.t.Fatalf("C9: nobody took over within %s: committed was %v and is %v; the newest process said:\n%s", limit, parts, now, a.newest())
		}
	}
	a.watch.outage.Store(false)
}

// cleanStops is P4: SIGTERM under load leaves nothing half done.
func cleanStops(a *app) {
	a.rounds = rounds(3, 20)
	a.noAbort = true
	a.start()
	for range a.rounds {
		h := a.run("a")
		a.progress(500)
		a.sleep(a.upTo(500 * time.Millisecond))
		began := time.Now()
		h.stop(a.t)
		if took := time.Since(began); took > 10*time.Second {
			a.t.Errorf("a clean stop took %s", took)
		}
	}
	a.finish("a")
}

// storm is G1: three processes join and leave, in good order or not.
func storm(a *app) {
	a.rounds = rounds(6, 100)
	a.start()
	names := []string{"a", "b", "c"}
	hosts := make([]*process, len(names))
	for i, name := range names {
		hosts[i] = a.run(name)
	}
	a.progress(1)
	for range a.rounds {
		a.sleep(time.Second + a.upTo(2*time.Second))
		i := a.rnd.IntN(len(hosts))
		switch h := hosts[i]; {
		case h == nil:
			hosts[i] = a.run(names[i])
		case a.rnd.IntN(2) == 0:
			h.stop(a.t)
			hosts[i] = nil
		default:
			a.killed(h)
			hosts[i] = a.run(names[i])
		}
		if hosts[0] == nil && hosts[1] == nil && hosts[2] == nil {
			hosts[i] = a.run(names[i])
		}
	}
	a.progress(1)
	for _, h := range hosts {
		if h != nil {
			a.up(h)
			h.stop(a.t)
		}
	}
	a.finish("a")
}
