package hosttest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
)

func TestCooperativePartitionsMoveOneByOne(t *testing.T) {
	b := NewBroker(map[string]int{"x": 4})
	c := subscribed(t, b.Consumer("g"), "x")
	c.poll(t)
	equal(t, "alone", c.events(), "+0/0,0/1,0/2,0/3")
	d := subscribed(t, b.Consumer("g"), "x")
	d.poll(t)
	equal(t, "not free yet", d.events(), "")
	c.poll(t)
	equal(t, "gives up half", c.events(), "-0/1,0/3")
	d.poll(t)
	equal(t, "takes it", d.events(), "+0/1,0/3")
	must(t, d.Close())
	equal(t, "on closing", d.events(), "-0/1,0/3")
	c.poll(t)
	equal(t, "takes it back", c.events(), "+0/1,0/3")
}

func TestEagerMembersGiveEverythingUp(t *testing.T) {
	b := NewBroker(map[string]int{"x": 3})
	b.Eager = true
	c := subscribed(t, b.Consumer("g"), "x")
	c.poll(t)
	equal(t, "alone", c.events(), "+0/0,0/1,0/2")
	old := metadata(t, c.Consumer)
	d := subscribed(t, b.Consumer("g"), "x")
	d.poll(t)
	equal(t, "waits for the other", d.events(), "")

	// Until the other has joined again its generation counts.
	p := started(t, b, "w")
	must(t, p.SendOffsets(background, old, []string{"x"}, offsets(1)))
	must(t, p.Commit(background))
	c.onRevoke = func() {
		must(t, p.Begin())
		must(t, p.SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(2)))
		must(t, p.Commit(background))
	}
	c.poll(t)
	equal(t, "all of it, then a share", c.events(), "-0/0,0/1,0/2 +0/0,0/2")
	equal(t, "committed on the way", b.Committed("g", "x", 0), 2)
	d.poll(t)
	equal(t, "the other's share", d.events(), "+0/1")
	must(t, p.Begin())
	wants(t, p.SendOffsets(background, old, []string{"x"}, offsets(3)), CodeIllegalGeneration, Abortable)
	must(t, p.Abort(background))

	c.onRevoke = nil
	must(t, d.Close())
	c.poll(t)
	equal(t, "alone again", c.events(), "-0/0,0/2 +0/0,0/1,0/2")
}

func TestAnEagerRebalanceWaitsForMembersUntilItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 2})
		b.Eager = true
		c := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		c.events()
		stale := metadata(t, c.Consumer)
		d := subscribed(t, b.Consumer("g"), "x")
		time.Sleep(4 * time.Minute)
		d.poll(t)
		equal(t, "before", d.events(), "")
		equal(t, "lost", c.Lost(), false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		equal(t, "lost", c.Lost(), true)
		d.poll(t)
		equal(t, "after", d.events(), "+0/0,0/1")
		p := started(t, b, "w")
		wants(t, p.SendOffsets(background, stale, []string{"x"}, offsets(1)), CodeUnknownMember, Abortable)
		c.poll(t)
		equal(t, "the late one", c.events(), "!0/0,0/1")
		d.poll(t)
		c.poll(t)
		equal(t, "the late one", c.events(), "+0/1")
	})
}

func TestRangeKeepsPartitionsOfTopicsTogether(t *testing.T) {
	for _, eager := range []bool{false, true} {
		b := NewBroker(map[string]int{"x": 5, "y": 5, "z": 1})
		b.Eager, b.Assignor = eager, Range
		var all []*watch
		for range 3 {
			all = append(all, subscribed(t, b.Consumer("g"), "x", "y", "z"))
		}
		for range 3 {
			for _, c := range all {
				c.poll(t)
			}
		}
		for i, want := range []string{"0/0,0/1,1/0,1/1,2/0", "0/2,0/3,1/2,1/3", "0/4,1/4"} {
			equal(t, "share", names(all[i].parts()), want)
			equal(t, "told", len(all[i].owned), len(all[i].parts()))
		}
	}
}

func TestStretchesCoverAll(t *testing.T) {
	for partitions := range 12 {
		for members := 1; members < 8; members++ {
			n, last := make([]int, members), 0
			for p := range partitions {
				to := stretch(p, partitions, members)
				if to < last || to >= members {
					t.Fatalf("%d of %d for %d: %d", p, partitions, members, to)
				}
				last = to
				n[to]++
			}
			for i := range n {
				if want := partitions / members; n[i] != want && !(i < partitions%members && n[i] == want+1) {
					t.Fatalf("%d for %d: %v", partitions, members, n)
				}
			}
		}
	}
}

func TestPartitionsOfTopicsThatOneMemberDoesNotWant(t *testing.T) {
	for _, assignor := range []Assignor{RoundRobin, Range} {
		b := NewBroker(map[string]int{"x": 2, "y": 2})
		b.Assignor = assignor
		c, d := subscribed(t, b.Consumer("g"), "x"), subscribed(t, b.Consumer("g"), "x", "y")
		for range 3 {
			c.poll(t)
			d.poll(t)
		}
		equal(t, "share", names(c.parts()), "0/0")
		equal(t, "share", names(d.parts()), "0/1,1/0,1/1")
	}
}

func TestExpelledMembersKnowAndForgottenOnesDoNot(t *testing.T) {
	for _, eager := range []bool{false, true} {
		for _, aware := range []bool{false, true} {
			b := NewBroker(map[string]int{"x": 1})
			b.Eager = eager
			c := subscribed(t, b.Consumer("g"), "x")
			c.poll(t)
			c.events()
			if aware {
				c.Expel()
			} else {
				c.Forget()
			}
			equal(t, "lost", c.Lost(), aware)
			_, err := c.GroupMetadata()
			equal(t, "metadata", err == nil, !aware)
			if c.Commit(background, offsets(1)) == nil {
				t.Fatal("the broker took an offset")
			}
			d := subscribed(t, b.Consumer("g"), "x")
			d.poll(t)
			equal(t, "the other has it", d.events(), "+0/0")
			c.poll(t)
			equal(t, "lost", c.events(), "!0/0")
			equal(t, "lost", c.Lost(), false)
			metadata(t, c.Consumer)
		}
	}
}

func TestAStaticMemberKeepsItsPlace(t *testing.T) {
	for _, eager := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 2})
			b.Eager = eager
			c, d := subscribed(t, b.StaticConsumer("g", "c"), "x"), subscribed(t, b.StaticConsumer("g", "d"), "x")
			for range 3 {
				c.poll(t)
				d.poll(t)
			}
			d.events()
			must(t, c.Close())
			time.Sleep(44 * time.Second)
			d.poll(t)
			equal(t, "the other", d.events(), "")
			c = subscribed(t, b.StaticConsumer("g", "c"), "x")
			c.poll(t)
			equal(t, "back", c.events(), "+0/0")
			d.poll(t)
			equal(t, "the other", d.events(), "")
			time.Sleep(time.Hour)
			must(t, c.Close())
			time.Sleep(46 * time.Second)
			d.poll(t)
			d.poll(t)
			equal(t, "the other, after the session", len(d.owned), 2)
		})
	}
}

func TestTheSameInstanceTwice(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	b.Eager = true
	c := subscribed(t, b.StaticConsumer("g", "i"), "x")
	c.poll(t)
	c.events()
	d := subscribed(t, b.StaticConsumer("g", "i"), "x")
	d.poll(t)
	equal(t, "the new one", d.events(), "+0/0")
	equal(t, "lost", c.Lost(), true)
	var batch abi.Packed
	wants(t, c.Poll(&batch, 1, 1, 0), CodeFencedInstance, Fatal)
	equal(t, "the old one", c.events(), "!0/0")
	if c.Commit(background, offsets(1)) == nil {
		t.Fatal("the broker took an offset")
	}
	must(t, c.Close())
	must(t, d.Commit(background, offsets(1)))
}

func TestSetCommitted(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	b.SetCommitted("g", "x", 0, 5, "meta")
	at, meta := b.CommittedOffset("g", "x", 0)
	equal(t, "offset", at, 5)
	equal(t, "metadata", meta, "meta")
	b.SetCommitted("g", "x", 0, abi.OffsetNone, "")
	equal(t, "removed", b.Committed("g", "x", 0), abi.OffsetNone)
}

func TestANewMemberHasJoinedBeforeItsFirstPoll(t *testing.T) {
	b := NewBroker(map[string]int{"x": 2})
	b.Eager = true
	c := subscribed(t, b.Consumer("g"), "x")
	c.poll(t)
	c.events()
	subscribed(t, b.Consumer("g"), "x")
	c.poll(t)
	equal(t, "does not wait for it", c.events(), "-0/0,0/1 +0/0")
}

func TestExpelledWhileGivingUp(t *testing.T) {
	for _, eager := range []bool{false, true} {
		b := NewBroker(map[string]int{"x": 2})
		b.Eager = eager
		c := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		c.onRevoke = func() { c.Expel() }
		d := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		c.onRevoke = nil
		for range 4 {
			d.poll(t)
			c.poll(t)
		}
		equal(t, "owned", len(c.owned), 1)
		equal(t, "owned by the other", len(d.owned), 1)
		if o := b.groups["g"].owners; o[topicPartition{"x", 0}].gone || o[topicPartition{"x", 1}].gone {
			t.Fatal("a partition belongs to nobody")
		}
	}
}
