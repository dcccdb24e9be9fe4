package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// looking is an application that looks the keys of its records up in a global
// cache, read from topic table, and emits what it finds.
type looking struct {
	t     *testing.T
	b     *hosttest.Broker
	disk  *state.Memory
	codec codec.Codec
	mu    sync.Mutex
	said  bytes.Buffer
}

func newLooking(t *testing.T, partitions int) *looking {
	return &looking{
		t: t, disk: state.NewMemory(),
		b: hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "table": partitions}),
	}
}

// Write takes the host's log, whose goroutines share it.
func (l *looking) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

// told says how often the log has a text.
func (l *looking) told(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.said.String(), text)
}

const madeAnewText = "the topic of a global cache was made anew"

// host makes the application anew, on the same disk.
func (l *looking) host(opts Options) *Host {
	l.disk = l.disk.Restart()
	in, out := topicSource("in"), topicSink("out")
	in.Handlers = []HandlerSource{{Handler: 0}}
	plan := &Plan{
		App: "app", Clusters: []string{"default"}, ExactlyOnce: true,
		Sources:  []Source{in},
		Handlers: []Handler{{ID: "look", Sinks: []Sink{out}, Caches: []int{0}}},
		Modules:  []string{"m"},
		Subs:     []Sub{{Name: "look", Inputs: []int{0}}},
		Caches:   []Cache{{ID: "table", Kind: state.Global, Topic: "table", Partitions: int32(l.b.Partitions("table")), ValueCodec: l.codec}},
	}
	plan.Caches[0].Log, _ = l.b.Identity("table")
	look := func(c *fakeCall, rec *abi.Record) error {
		v, ok := c.get(0, string(rec.Key))
		if !ok {
			v = "-"
		}
		c.emit(abi.Output{Sink: abi.EverySink, Value: fmt.Append(nil, string(rec.Key), "=", v)})
		return nil
	}
	bk := (&life{l.b, "h", l.disk}).backends(l.t, plan, []statefulFunc{look})
	return New(plan, opts, []int{0}, 0, bk, slog.New(slog.NewTextHandler(l, nil)))
}

// table produces entries written key=value to the topic of the cache.
func (l *looking) table(partition int32, entries ...string) {
	for _, e := range entries {
		k, v, _ := strings.Cut(e, "=")
		produce(l.t, l.b, hosttest.Record{Topic: "table", Partition: partition, Key: []byte(k), Value: []byte(v)})
	}
}

// ask produces records that ask for keys.
func (l *looking) ask(keys ...string) {
	for _, k := range keys {
		produce(l.t, l.b, hosttest.Record{Topic: "in", Key: []byte(k), Value: []byte("?")})
	}
}

// wants compares all answers so far.
func (l *looking) wants(want ...string) {
	l.t.Helper()
	if got := values(l.b.View("out", 0)); !slices.Equal(got, want) {
		l.t.Errorf("answers %q, want %q", got, want)
	}
}

// A global cache whose topic was made anew has what is in the topic, and
// nothing of the one before, however it grew or shrank: the host may be down
// meanwhile or running, and is told once.
func TestAGlobalCachesTopicMadeAnew(t *testing.T) {
	for _, k := range []struct {
		name            string
		running         bool
		before, anew    int // partitions
		entries, filled []string
		want            []string
	}{
		{"down, same length", false, 1, 1, []string{"a=3", "c=4"}, nil, []string{"a=3", "b=-", "c=4"}},
		{"down, longer", false, 1, 1, []string{"a=3", "c=4", "d=5", "d=6"}, nil, []string{"a=3", "b=-", "c=4"}},
		{"down, empty", false, 1, 1, nil, nil, []string{"a=-", "b=-", "c=-"}},
		{"down, fewer partitions", false, 2, 1, []string{"a=3"}, nil, []string{"a=3", "b=-", "c=-"}},
		{"down, more partitions", false, 1, 2, []string{"a=3"}, []string{"c=9"}, []string{"a=3", "b=-", "c=9"}},
		{"running, same length", true, 1, 1, []string{"a=3", "c=4"}, nil, []string{"a=3", "b=-", "c=4"}},
		{"running, longer", true, 1, 1, []string{"a=3", "c=4", "d=5", "d=6"}, nil, []string{"a=3", "b=-", "c=4"}},
		{"running, empty", true, 1, 1, nil, nil, []string{"a=-", "b=-", "c=-"}},
		{"running, fewer partitions", true, 2, 1, []string{"a=3"}, nil, []string{"a=3", "b=-", "c=-"}},
		{"running, more partitions", true, 1, 2, []string{"a=3"}, []string{"c=9"}, []string{"a=3", "b=-", "c=9"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLooking(t, k.before)
				l.table(int32(k.before-1), "a=1", "b=2")
				l.ask("a", "b", "c")
				h := l.host(Options{})
				done := start(h)
				after(time.Second)
				l.wants("a=1", "b=2", "c=-")
				if !k.running {
					drained(t, h, done)
				}
				l.b.RecreateTopic("table", k.anew)
				l.table(0, k.entries...)
				l.table(1, k.filled...)
				if !k.running {
					h = l.host(Options{})
					done = start(h)
				}
				after(identityEvery + time.Second)
				l.ask("a", "b", "c")
				after(time.Second)
				want := append([]string{"a=1", "b=2", "c=-"}, k.want...)
				l.wants(want...)
				if n := l.told(madeAnewText); n != 1 {
					t.Errorf("told %d times that the topic was made anew", n)
				}
				// It is read on from there, now and after a start.
				l.table(0, "c=10")
				after(time.Second)
				l.ask("c")
				after(time.Second)
				want = append(want, "c=10")
				l.wants(want...)
				drained(t, h, done)
				h = l.host(Options{})
				done = start(h)
				l.ask("c")
				after(time.Second)
				l.wants(append(want, "c=10")...)
				if n := l.told(madeAnewText); n != 1 {
					t.Errorf("told %d times after a start", n)
				}
				drained(t, h, done)
			})
		})
	}
}

// A broker that cannot say whose topic it is stops nothing, and is asked again.
func TestAGlobalCacheGoesOnWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t, 1)
		l.table(0, "a=1")
		h := l.host(Options{})
		topics, silent := h.backends.Topics, false
		h.backends.Topics = func(ctx context.Context, cluster int, names []string) ([]Topic, error) {
			if silent {
				return nil, errors.New("no answer")
			}
			return topics(ctx, cluster, names)
		}
		done := start(h)
		after(time.Second)
		silent = true
		after(identityEvery)
		l.table(0, "a=2")
		after(time.Second)
		l.ask("a")
		after(time.Second)
		l.wants("a=2")
		l.b.DeleteTopic("table")
		l.table(0, "b=1", "b=2", "b=3")
		silent = false
		after(2 * identityEvery)
		l.ask("a", "b")
		after(time.Second)
		l.wants("a=2", "a=-", "b=3")
		drained(t, h, done)
	})
}

// gated is a reader that delivers nothing until it is let.
type gated struct {
	LogReader
	open <-chan struct{}
}

func (g gated) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	select {
	case <-g.open:
		return g.LogReader.Poll(b, maxRecords, maxBytes, wait)
	default:
		b.Reset()
		time.Sleep(wait)
		return nil
	}
}

// gate makes the readers of global caches wait for the channel.
func gate(h *Host) (open chan struct{}) {
	open = make(chan struct{})
	readers := h.backends.LogReader
	h.backends.LogReader = func(ctx context.Context, cluster int) (LogReader, error) {
		r, err := readers(ctx, cluster)
		return gated{r, open}, err
	}
	return open
}

// No record is processed before the global caches are whole.
func TestWorkersWaitForGlobalCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t, 2)
		l.table(0, "a=1", "a=2")
		l.table(1, "b=1", "b=3")
		l.ask("a", "b")
		h := l.host(Options{})
		open := gate(h)
		done := start(h)
		after(time.Minute)
		l.wants()
		close(open)
		after(time.Second)
		l.wants("a=2", "b=3")
		drained(t, h, done)
	})
}

// A host that is told to stop does not wait for them.
func TestStoppingDoesNotWaitForGlobalCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t, 1)
		l.table(0, "a=1")
		l.ask("a")
		h := l.host(Options{})
		gate(h)
		done := start(h)
		after(time.Second)
		drained(t, h, done)
		l.wants()
	})
}

// When the store is made anew, global caches are read again, and workers wait
// until they are whole once more.
func TestGlobalCachesOfAStoreMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t, 1)
		l.table(0, "a=1", "b=2")
		l.ask("a")
		h := l.host(Options{})
		done := start(h)
		after(time.Second)
		l.wants("a=1")
		open := gate(h) // of the next reader
		damaged := false
		l.disk.Hook(func(call state.Call) error {
			if call == state.CallGet && !damaged {
				damaged = true
				return fmt.Errorf("block 3: %w", state.ErrCorrupt)
			}
			return nil
		})
		l.ask("b") // not in the record cache
		after(time.Minute)
		if l.disk.Calls(state.CallRecreate) != 1 {
			t.Fatalf("made anew %d times", l.disk.Calls(state.CallRecreate))
		}
		l.ask("a")
		after(time.Minute)
		l.wants("a=1")
		close(open)
		after(10 * time.Second)
		l.wants("a=1", "b=2", "a=1")
		drained(t, h, done)
	})
}

// picky decodes everything but values that begin with an exclamation mark.
type picky struct{ codec.Codec }

func (picky) Decode(dst, src []byte) ([]byte, error) {
	if bytes.HasPrefix(src, []byte("!")) {
		return dst, &codec.Error{Codec: "picky", Reason: "an exclamation mark"}
	}
	return append(dst, src...), nil
}

// A record that cannot be decoded, and one without a key, are left out and
// named; what their keys had stays, and the others are there.
func TestAnUndecodableRecordIsNotInAGlobalCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooking(t, 1)
		text, ok := codec.ByName("json")
		if !ok {
			t.Fatal("no codec json")
		}
		l.codec = picky{text}
		l.table(0, "a=1", "a=!", "b=!", "c=3")
		produce(t, l.b, hosttest.Record{Topic: "table", Value: []byte("4")})
		l.table(0, "d=5")
		l.ask("a", "b", "c", "d")
		h := l.host(Options{})
		done := start(h)
		after(time.Second)
		l.wants("a=1", "b=-", "c=3", "d=5")
		if n := l.told("cannot be decoded and is left out"); n != 2 || l.told("offset=1 ") != 1 || l.told("offset=2 ") != 1 {
			t.Errorf("told of %d records that cannot be decoded: %s", n, &l.said)
		}
		if l.told("a record without a key is not part of a cache") != 1 {
			t.Errorf("the record without a key is not told: %s", &l.said)
		}
		drained(t, h, done)
	})
}
