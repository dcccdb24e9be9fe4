package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// counting is an application that counts, with one input partition.
type counting struct {
	t      *testing.T
	b      *hosttest.Broker
	change OnChange
	disk   *state.Memory
	log    string // the changelog
}

func newCounting(t *testing.T, change OnChange) *counting {
	c := &counting{t: t, change: change, disk: state.NewMemory(), log: "app-counts-changelog"}
	c.b = hosttest.NewBroker(map[string]int{"in": 1, "out": 1, c.log: 1})
	return c
}

// feed produces n records of key a.
func (c *counting) feed(n int) {
	for range n {
		produce(c.t, c.b, hosttest.Record{Topic: "in", Key: []byte("a"), Value: []byte("x")})
	}
}

// host makes the application anew, on the same disk.
func (c *counting) host(opts Options) *Host {
	c.disk = c.disk.Restart()
	plan := countPlan()
	plan.OnChange = c.change
	plan.Sources[0].Identity, _ = c.b.Identity("in")
	plan.Caches[0].Log, _ = c.b.Identity(c.log)
	bk := (&life{c.b, "h", c.disk}).backends(c.t, plan, []statefulFunc{countKeys})
	return New(plan, opts, []int{0}, 0, bk, discard)
}

// run runs until the input is drained.
func (c *counting) run() error {
	return runIdle(c.t, c.host(Options{UntilIdle: true, CommitInterval: 10 * time.Millisecond}))
}

func (c *counting) mustRun() {
	c.t.Helper()
	if err := c.run(); err != nil {
		c.t.Fatal(err)
	}
}

// counts are the values that came out, without their key.
func (c *counting) counts() string {
	var all []string
	for _, r := range c.b.View("out", 0) {
		all = append(all, strings.TrimPrefix(string(r.Value), "a-"))
	}
	return strings.Join(all, " ")
}

// Every change from outside, with every policy.
func TestChangesFromOutside(t *testing.T) {
	cut := func(c *counting) { // records 4 and 5 were never processed
		c.feed(3)
		c.b.DeleteRecords("in", 0, 5)
	}
	anew := func(c *counting) {
		c.b.DeleteTopic("in")
		c.feed(2)
	}
	shorter := func(c *counting) { c.b.TruncateTo("in", 0, 1) }
	reset := func(c *counting) {
		c.b.SetCommitted("app", "in", 0, 1, "")
		c.feed(1)
	}
	removed := func(c *counting) { c.b.SetCommitted("app", "in", 0, abi.OffsetNone, "") }
	logGone := func(c *counting) {
		c.b.DeleteTopic(c.log)
		c.feed(1)
	}
	logAndDiskGone := func(c *counting) {
		logGone(c)
		c.disk = state.NewMemory()
	}
	logCut := func(c *counting) {
		c.b.TruncateTo(c.log, 0, 2) // the first count and its marker are left
		c.disk = state.NewMemory()  // else nobody looks at the end
		c.feed(1)
	}
	for _, k := range []struct {
		name   string
		change OnChange
		what   func(*counting)
		want   string // what comes out behind 1 2 3, or what the error names
	}{
		{"records gone, fail", OnChange{}, cut, "on_change.records_gone"},
		{"records gone, earliest", OnChange{RecordsGone: ChangeEarliest}, cut, "4"},
		{"records gone, latest", OnChange{RecordsGone: ChangeLatest}, cut, ""},
		{"input anew, fail", OnChange{}, anew, "on_change.topic_recreated"},
		{"input anew, restart", OnChange{TopicRecreated: ChangeRestart}, anew, "4 5"},
		{"input shorter, fail", OnChange{}, shorter, "on_change.topic_recreated"},
		{"input shorter, restart", OnChange{TopicRecreated: ChangeRestart}, shorter, "4"},
		{"offsets set, fail", OnChange{}, reset, "on_change.offsets_reset"},
		{"offsets set, keep", OnChange{OffsetsReset: ChangeKeep}, reset, "4 5 6"},
		{"offsets set, clear", OnChange{OffsetsReset: ChangeClear}, reset, "1 2 3"},
		{"offsets removed, fail", OnChange{}, removed, "on_change.offsets_reset"},
		{"offsets removed, clear", OnChange{OffsetsReset: ChangeClear}, removed, "1 2 3"},
		{"changelog gone, fail", OnChange{}, logGone, "on_change.changelog_gone"},
		{"changelog gone, local", OnChange{ChangelogGone: ChangeLocal}, logGone, "4"},
		{"changelog and disk gone, local", OnChange{ChangelogGone: ChangeLocal}, logAndDiskGone, "on_change.changelog_gone"},
		{"changelog gone, empty", OnChange{ChangelogGone: ChangeEmpty}, logGone, "1"},
		{"changelog cut, fail", OnChange{}, logCut, "on_change.changelog_gone"},
		{"changelog cut, empty", OnChange{ChangelogGone: ChangeEmpty}, logCut, "1"},
	} {
		for _, abort := range []bool{false, true} {
			t.Run(fmt.Sprint(k.name, ", first commit aborted ", abort), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCounting(t, k.change)
					for range 3 {
						c.feed(1)
						c.mustRun()
					}
					k.what(c)
					if abort {
						c.b.Fail(hosttest.Call{Op: hosttest.OpCommitTxn}, hosttest.BeforeEffect, hosttest.NewError(hosttest.Abortable, "aborted"))
					}
					err := c.run()
					if strings.HasPrefix(k.want, "on_change") {
						if err == nil || !strings.Contains(err.Error(), k.want) {
							t.Fatalf("ended with %v, want an error about %s", err, k.want)
						}
						return
					}
					if want := strings.TrimSpace("1 2 3 " + k.want); err != nil || c.counts() != want {
						t.Fatalf("counts %q, want %q; %v", c.counts(), want, err)
					}
					// What is in the changelog now restores what was counted.
					c.disk, c.change = state.NewMemory(), OnChange{}
					n := 0
					fmt.Sscan(c.counts()[strings.LastIndexByte(c.counts(), ' ')+1:], &n)
					c.feed(1)
					c.mustRun()
					if want := fmt.Sprint(" ", n+1); !strings.HasSuffix(c.counts(), want) {
						t.Errorf("after a restore the counts are %q, want %q at the end", c.counts(), want)
					}
				})
			})
		}
	}
}

// A process may die in its very first transaction, whose records stay in the
// changelog as aborted ones.
func TestTheFirstTransactionMayBeLost(t *testing.T) {
	for _, op := range []string{hosttest.OpFlush, hosttest.OpSendOffsets, hosttest.OpCommitTxn} {
		for n := range 3 {
			synctest.Test(t, func(t *testing.T) {
				c := newCounting(t, OnChange{})
				c.feed(3)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				c.b.Before = func(call hosttest.Call) error {
					if call.Op != op {
						return nil
					}
					if n--; n < 0 {
						cancel()
						return context.Canceled
					}
					return nil
				}
				_ = c.host(Options{CommitInterval: time.Millisecond, MaxRecords: 1}).Run(ctx)
				cancel()
				c.b.Before = nil
				c.mustRun()
				if got := c.counts(); got != "1 2 3" {
					t.Errorf("%s: counts %q", op, got)
				}
			})
		}
	}
}

// A changelog that is written anew is not believed before all of it is there.
func TestAHalfRewrittenChangelogIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{ChangelogGone: ChangeLocal})
		value := strings.Repeat("x", 1<<20)
		const keys = 20 // more than two steps
		for i := range keys {
			produce(t, c.b, hosttest.Record{Topic: "in", Key: fmt.Append(nil, "k", i), Value: []byte(value)})
		}
		keep := []statefulFunc{func(f *fakeCall, rec *abi.Record) error {
			f.put(0, string(rec.Key), string(rec.Value))
			return nil
		}}
		host := func() *Host {
			c.disk = c.disk.Restart()
			plan := countPlan()
			plan.OnChange, plan.Handlers[0].Staged = c.change, 1<<30
			plan.Caches[0].Log, _ = c.b.Identity(c.log)
			return New(plan, Options{UntilIdle: true}, []int{0}, 0, (&life{c.b, "h", c.disk}).backends(t, plan, keep), discard)
		}
		if err := runIdle(t, host()); err != nil {
			t.Fatal(err)
		}
		c.b.DeleteTopic(c.log)
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		c.b.Before = func(call hosttest.Call) error {
			if call.Op == hosttest.OpCommitTxn {
				if n++; n == 2 {
					c.disk = c.disk.Restart()
					cancel()
					return context.Canceled
				}
			}
			return nil
		}
		_ = host().Run(ctx)
		cancel()
		c.b.Before = nil
		if n != 2 || len(c.b.View(c.log, 0)) == 0 {
			t.Fatalf("%d commits, %d records: the test does not stop in the middle", n, len(c.b.View(c.log, 0)))
		}
		if err := runIdle(t, host()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range c.b.View(c.log, 0) {
			seen[string(r.Key)] = true
		}
		if len(seen) != keys {
			t.Errorf("the changelog has %d keys, want %d", len(seen), keys)
		}
	})
}

// A task with two topics notices what happened to one of them by what the
// other has committed, also if the broker deleted the one's offset with it.
func TestOneInputOfTwoIsChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *hosttest.Broker)
		policy OnChange
		want   string // the error's text, "" for none
		count  string
	}{
		"nothing": {change: func(*hosttest.Broker) {}, count: "6"},
		"made anew": {
			change: func(b *hosttest.Broker) {
				b.RecreateTopic("in2", 1)
				b.SetCommitted("app", "in2", 0, abi.OffsetNone, "")
			},
			want: "on_change.topic_recreated",
		},
		"made anew, restart": {
			change: func(b *hosttest.Broker) {
				b.RecreateTopic("in2", 1)
				b.SetCommitted("app", "in2", 0, abi.OffsetNone, "")
			},
			policy: OnChange{TopicRecreated: ChangeRestart}, count: "6",
		},
		"offset deleted": {
			change: func(b *hosttest.Broker) { b.SetCommitted("app", "in2", 0, abi.OffsetNone, "") },
			want:   "on_change.offsets_reset",
		},
		"offset deleted, clear": {
			change: func(b *hosttest.Broker) { b.SetCommitted("app", "in2", 0, abi.OffsetNone, "") },
			policy: OnChange{OffsetsReset: ChangeClear}, count: "4",
		},
		"offset set": {
			change: func(b *hosttest.Broker) { b.SetCommitted("app", "in2", 0, 1, "") },
			want:   "on_change.offsets_reset",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := hosttest.NewBroker(map[string]int{"in": 1, "in2": 1, "out": 1, "app-counts-changelog": 1})
				disk := state.NewMemory()
				run := func() error {
					disk = disk.Restart()
					plan := twoInputsPlan()
					plan.OnChange = tc.policy
					for i := range plan.Sources {
						plan.Sources[i].Identity, _ = b.Identity(plan.Sources[i].Topic)
					}
					plan.Caches[0].Log, _ = b.Identity("app-counts-changelog")
					bk := (&life{b, "h", disk}).backends(t, plan, []statefulFunc{countKeys})
					return runIdle(t, New(plan, Options{UntilIdle: true, CommitInterval: 10 * time.Millisecond}, []int{0}, 0, bk, discard))
				}
				feed := func() {
					for range 2 {
						produce(t, b, hosttest.Record{Topic: "in2", Key: []byte("a"), Value: []byte("x")})
					}
				}
				feed()
				for range 2 {
					produce(t, b, hosttest.Record{Topic: "in", Key: []byte("a"), Value: []byte("x")})
				}
				if err := run(); err != nil {
					t.Fatal(err)
				}
				tc.change(b)
				feed()
				before := len(b.Records("out"))
				err := run()
				if tc.want != "" {
					if err == nil || !strings.Contains(err.Error(), tc.want) {
						t.Errorf("%v, want an error with %q", err, tc.want)
					}
					if n := len(b.Records("out")); n != before {
						t.Errorf("%d records came out although it stopped", n-before)
					}
					return
				}
				out := values(b.Records("out"))
				if err != nil || out[len(out)-1] != "a-"+tc.count {
					t.Errorf("%v, %v; want the last count to be %s", err, out, tc.count)
				}
			})
		})
	}
}

// Where the broker does not answer, tasks begin later, and the host goes on.
func TestABrokerWithoutAnswersDelaysTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(3)
		c.mustRun()
		c.disk = state.NewMemory()
		c.feed(1)
		h := c.host(Options{UntilIdle: true})
		bounds, left := h.backends.LogBounds, 3
		h.backends.LogBounds = func(ctx context.Context, cluster int, parts []LogPartition) ([]Bounds, error) {
			if left--; left >= 0 {
				return nil, errors.New("no answer")
			}
			return bounds(ctx, cluster, parts)
		}
		readers := h.backends.LogReader
		broken := 4
		h.backends.LogReader = func(ctx context.Context, cluster int) (LogReader, error) {
			if broken--; broken >= 0 {
				return nil, errors.New("no reader")
			}
			return readers(ctx, cluster)
		}
		if err := runIdle(t, h); err != nil || c.counts() != "1 2 3 4" {
			t.Errorf("counts %q, %v", c.counts(), err)
		}
	})
}

// An end of aborted records is passed also when it was told before the task
// had its caches.
func TestAnEndIsPassedAfterARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(3)
		c.mustRun()
		if err := c.b.Abort("in", 0, 2); err != nil {
			t.Fatal(err)
		}
		c.disk = state.NewMemory()
		c.mustRun() // ends when the position is the end
		if at := c.b.Committed("app", "in", 0); at != 5 {
			t.Errorf("committed %d, want 5", at)
		}
	})
}

// A store whose damage is found when a commit sweeps is made anew.
func TestADamagedStoreFoundInACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(5)
		c.mustRun()
		c.feed(5)
		hit := false
		h := c.host(Options{UntilIdle: true})
		c.disk.Hook(func(call state.Call) error {
			if !hit && (call == state.CallGet || call == state.CallWrite) && len(c.b.View("out", 0)) >= 5 {
				hit = true
				return fmt.Errorf("block 3: %w", state.ErrCorrupt)
			}
			return nil
		})
		if err := runIdle(t, h); err != nil || !hit || c.counts() != "1 2 3 4 5 6 7 8 9 10" {
			t.Errorf("counts %q, damaged %v, %v", c.counts(), hit, err)
		}
		if c.disk.Calls(state.CallRecreate) != 1 {
			t.Errorf("made anew %d times", c.disk.Calls(state.CallRecreate))
		}
	})
}

// While the store cannot be written nothing is processed; then all goes on.
func TestASuspendedStoreLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(3)
		h := c.host(Options{})
		full := false
		c.disk.Hook(func(call state.Call) error {
			if full && (call == state.CallWrite || call == state.CallReopen) {
				return errors.New("disk full")
			}
			return nil
		})
		done := start(h)
		after(time.Second)
		full = true
		c.feed(3)
		after(10 * time.Second)
		c.feed(3)
		after(10 * time.Second)
		if h.workers[0].suspended == nil || c.counts() != "1 2 3 4 5 6" {
			t.Errorf("counts %q, suspended: %v", c.counts(), h.workers[0].suspended)
		}
		full = false
		after(10 * time.Second)
		if c.counts() != "1 2 3 4 5 6 7 8 9" {
			t.Errorf("counts %q after the store works again", c.counts())
		}
		drained(t, h, done)
	})
}

// Stream time and attempts go back with the positions.
func TestWhatIsTakenBackWithPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		for i := range 6 {
			produce(t, c.b, hosttest.Record{Topic: "in", Key: []byte("a"), Timestamp: int64(1000 + i)})
		}
		plan := countPlan()
		plan.Caches[0].Log, _ = c.b.Identity(c.log)
		f := func(f *fakeCall, rec *abi.Record) error {
			f.put(0, "k", "v")
			f.emit(abi.Output{Sink: abi.EverySink, Value: fmt.Append(nil, f.state.StreamTime(f.at))})
			return nil
		}
		aborts := 3
		c.b.Before = func(call hosttest.Call) error {
			if call.Op == hosttest.OpCommitTxn && c.b.Bounds("out", 0).High > 0 && aborts > 0 {
				aborts--
				return hosttest.NewError(hosttest.Abortable, "aborted")
			}
			return nil
		}
		bk := (&life{c.b, "h", c.disk}).backends(t, plan, []statefulFunc{f})
		if err := runIdle(t, New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)); err != nil {
			t.Fatal(err)
		}
		if got := values(c.b.View("out", 0)); !slices.Equal(got, []string{"1000", "1001", "1002", "1003", "1004", "1005"}) {
			t.Errorf("stream times %v", got)
		}
		_, text := c.b.CommittedOffset("app", "in", 0)
		if m, err := decodeMeta(text); err != nil || m.streamTime != 1005 {
			t.Errorf("committed stream time %d, %v", m.streamTime, err)
		}
	})
}

// Attempts are counted on after a death and after going back.
func TestAttemptsSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.b.CreateTopic("dead", 1)
		c.feed(1)
		calls := 0
		host := func() *Host {
			c.disk = c.disk.Restart()
			plan := countPlan()
			plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 5, Backoff: time.Second}
			plan.Caches[0].Log, _ = c.b.Identity(c.log)
			f := func(*fakeCall, *abi.Record) error { calls++; return errNo }
			return New(plan, Options{UntilIdle: true, CommitInterval: time.Millisecond}, []int{0}, 0,
				(&life{c.b, "h", c.disk}).backends(t, plan, []statefulFunc{f}), discard)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // tries at 0, 1, 3 s
		_ = host().Run(ctx)
		cancel()
		c.b.Fail(hosttest.Call{Op: hosttest.OpCommitTxn}, hosttest.BeforeEffect, hosttest.NewError(hosttest.Abortable, "aborted"))
		if err := runIdle(t, host()); err != nil {
			t.Fatal(err)
		}
		dead := c.b.View("dead", 0)
		if len(dead) != 1 || headers(t, dead[0])[HeaderAttempts] != "6" || calls > 9 {
			t.Errorf("%d dead letters after %d calls: %v", len(dead), calls, dead)
		}
	})
}

// Entries whose time is over are deleted in the changelog, too, by the stream
// time of their task.
func TestExpiredEntriesLeaveTheChangelog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		for i, ts := range []int64{1000, 1500, 9000} {
			produce(t, c.b, hosttest.Record{Topic: "in", Key: fmt.Append(nil, "k", i), Timestamp: ts})
		}
		plan := countPlan()
		plan.Caches[0].Log, _ = c.b.Identity(c.log)
		bk := (&life{c.b, "h", c.disk}).backends(t, plan, []statefulFunc{countKeys})
		store, err := hosttest.Store(state.Cache{Name: "counts", TTL: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		bk.Store = store
		if err := runIdle(t, New(plan, Options{UntilIdle: true, MaxRecords: 1}, []int{0}, 0, bk, discard)); err != nil {
			t.Fatal(err)
		}
		last := map[string]bool{}
		for _, r := range c.b.View(c.log, 0) {
			last[string(r.Key)] = r.Value != nil
		}
		if last["k0"] || last["k1"] || !last["k2"] {
			t.Errorf("the changelog ends with %v", last)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An older offset that was set with its metadata brings the caches back to what
// they were then.
func TestAnOlderOffsetBringsOlderCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(3)
		c.mustRun()
		at, meta := c.b.CommittedOffset("app", "in", 0)
		c.feed(3)
		c.mustRun()
		c.b.SetCommitted("app", "in", 0, at, meta)
		c.mustRun()
		if got := c.counts(); got != "1 2 3 4 5 6 4 5 6" {
			t.Errorf("counts %q", got)
		}
	})
}
