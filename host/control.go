package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// What the workers of an application have to tell each other and their
// successors beside records and caches, they write to a compacted topic of the
// cluster they read from, in the transaction that it belongs to: how far the
// sources of a checkpoint have come, what a checkpoint holds back, where a
// connector stopped. Each process reads these topics whole and follows them, so
// that every worker finds the last committed value of any key in memory.

// ControlTopic is one entry of Plan.Control: the topic for the workers of a
// cluster. It has one partition.
type ControlTopic struct {
	Cluster int
	Topic   string
}

// control is the process's view of the control topics. Safe for concurrent
// use.
type control struct {
	mu      sync.Mutex
	entries map[string]controlEntry
	// next is, by cluster, the offset before which the view has everything; not
	// there before the topic was read to its end for the first time.
	next map[int]int64
	// changed is closed and replaced when something arrived.
	changed chan struct{}
	// version counts what arrived.
	version atomic.Uint64
}

// controlEntry is the last committed value of a key, nil for none, and its
// offset: of what a worker has committed itself an upper bound, since it is
// known here before it is read.
type controlEntry struct {
	value  []byte
	offset int64
}

func newControl() *control {
	return &control{entries: map[string]controlEntry{}, next: map[int]int64{}, changed: make(chan struct{})}
}

// get returns the committed value of a key, which is not to be changed.
func (c *control) get(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	return e.value, e.value != nil
}

// list returns the keys that begin with prefix, in order.
func (c *control) list(prefix string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []string
	for key, e := range c.entries {
		if e.value != nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// apply takes a committed value over, which it keeps, unless a later one is
// known. The caller holds mu.
func (c *control) apply(key string, value []byte, offset int64) {
	if old, known := c.entries[key]; known && old.offset > offset {
		return
	}
	c.entries[key] = controlEntry{value, offset}
}

// forgetOffsets lets whatever comes next be later than what is known.
func (c *control) forgetOffsets() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		c.entries[key] = controlEntry{e.value, -1}
	}
}

// wake tells those who wait that something arrived. The caller holds mu.
func (c *control) wake() {
	c.version.Add(1)
	close(c.changed)
	c.changed = make(chan struct{})
}

// reached says whether the view has everything before an offset.
func (c *control) reached(cluster int, offset int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, read := c.next[cluster]
	return read && next >= offset
}

// await returns when the view has everything before an offset of a cluster's
// topic, or draining ends.
func (c *control) await(ctx, draining context.Context, cluster int, offset int64) error {
	for {
		c.mu.Lock()
		next, read := c.next[cluster]
		changed := c.changed
		c.mu.Unlock()
		if read && next >= offset {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-draining.Done():
			return nil
		case <-changed:
		}
	}
}

// controlOf returns the control topic of a cluster, "" if it has none.
func (p *Plan) controlOf(cluster int) string {
	for _, t := range p.Control {
		if t.Cluster == cluster {
			return t.Topic
		}
	}
	return ""
}

// followControl reads the control topic of a cluster for as long as ctx lasts.
func (h *Host) followControl(ctx context.Context, t ControlTopic) {
	for tries := 1; ctx.Err() == nil; tries++ {
		err := h.readControl(ctx, t)
		if ctx.Err() != nil {
			return
		}
		wait := min(backoff(100*time.Millisecond, tries), 10*time.Second)
		h.log.Error("reading the control topic failed; trying again", "cluster", h.plan.Clusters[t.Cluster], "topic", t.Topic, "error", err, "wait", wait)
		timer, stop := h.backends.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			stop()
		case <-timer:
		}
	}
}

// controlPoll bounds how long one poll of a control topic waits.
const controlPoll = 250 * time.Millisecond

func (h *Host) readControl(ctx context.Context, t ControlTopic) (err error) {
	reader, err := h.backends.LogReader(ctx, t.Cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := reader.Open(ctx, []string{t.Topic}); err != nil {
		return err
	}
	part := abi.TopicPartition{}
	bounds, err := reader.Bounds(ctx, []abi.TopicPartition{part})
	if err != nil {
		return err
	}
	c := h.control
	c.mu.Lock()
	at, resumed := c.next[t.Cluster]
	c.mu.Unlock()
	switch {
	case resumed && at > bounds[0].High:
		h.log.Warn("the control topic was made anew or cut; what it said before counts until it says something else", "topic", t.Topic)
		c.forgetOffsets()
		fallthrough
	case !resumed || at < bounds[0].Low:
		at = bounds[0].Low
	}
	if err := reader.Add(part, at); err != nil {
		return err
	}
	var packed abi.Packed
	for end := bounds[0].LastStable; ctx.Err() == nil; {
		h.control.passed(t.Cluster, at, end)
		if err := reader.Poll(&packed, 16384, 8<<20, controlPoll); err != nil {
			return err
		}
		at = c.take(&packed, at)
	}
	return nil
}

// passed notes that the view has everything before at, once it has been at the
// end that there was when reading began.
func (c *control) passed(cluster int, at, end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, read := c.next[cluster]; at >= end && (!read || at != old) {
		c.next[cluster] = at
		c.wake()
	}
}

// take applies one pack and returns the offset behind it.
func (c *control) take(packed *abi.Packed, at int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range packed.Runs {
		run := &packed.Runs[i]
		rd := abi.NewReader(packed.Buf[run.Start:run.End])
		for range run.Count {
			var rec abi.Record
			abi.ReadRecord(&rd, &rec)
			if rd.Err() != nil {
				break
			}
			c.apply(string(rec.Key), bytes.Clone(rec.Value), run.BaseOffset+rec.OffsetDelta)
		}
		at = run.LastOffset + 1
	}
	for _, end := range packed.Ends {
		at = max(at, end.Offset)
	}
	return at
}

// stagedControl is what a worker will write to the control topic with its next
// commit.
type stagedControl struct {
	out    *outlet
	values map[string][]byte // nil removes the key
}

// stageControl notes a value for a key, nil to remove it; it is copied. The
// worker sees it at once, everybody else when it is committed; an abort takes it
// back. Of several values for a key the last one is written.
func (w *worker) stageControl(key string, value []byte) {
	if w.controls.values == nil {
		w.controls.values = map[string][]byte{}
	}
	w.controls.values[key] = bytes.Clone(value)
	w.uncommitted = true
}

// controlValue returns the value of a key: what this worker staged, otherwise
// what is committed. It is not to be changed.
func (w *worker) controlValue(key string) ([]byte, bool) {
	if value, staged := w.controls.values[key]; staged {
		return value, value != nil
	}
	return w.host.control.get(key)
}

// openControl opens the outlet to the control topic and waits until all that
// was committed there is known, what an earlier life of this worker wrote
// included: its transaction is ended when the producer is open.
func (w *worker) openControl(ctx context.Context) (err error) {
	topic := w.plan.controlOf(w.cluster)
	if topic == "" {
		return nil
	}
	if w.controls.out, err = w.topicOutlet(ctx, w.cluster, topic); err != nil {
		return err
	}
	return w.awaitControl(ctx)
}

// sendControl appends what is staged to the control topic.
func (w *worker) sendControl() error {
	if len(w.controls.values) == 0 {
		return nil
	}
	out := w.controls.out
	if out == nil {
		return &finalError{fmt.Errorf("worker %d has something for the control topic of cluster %q, which the plan does not have", w.id, w.plan.Clusters[w.cluster])}
	}
	for _, key := range slices.Sorted(maps.Keys(w.controls.values)) {
		out.append(0, []byte(key), w.controls.values[key], nil, -1)
		if w.run.careful {
			out.producer.sent = append(out.producer.sent, callKey{})
		}
	}
	return nil
}

// keepControl makes what was staged and is committed now everybody's.
func (w *worker) keepControl() {
	if len(w.controls.values) == 0 {
		return
	}
	last := w.controls.out.delivered(0) - 1
	c := w.host.control
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, value := range w.controls.values {
		c.apply(key, value, last)
	}
	clear(w.controls.values)
	c.wake()
}

// controlEnd asks for the end of the control topic: the view has all that was
// committed up to now when it has reached that.
func (w *worker) controlEnd(ctx context.Context) (int64, error) {
	topic := w.plan.controlOf(w.cluster)
	if topic == "" {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, assignTimeout)
	defer cancel()
	bounds, err := w.backends.LogBounds(ctx, w.cluster, []LogPartition{{Topic: topic}})
	if err != nil {
		return 0, &unansweredError{fmt.Errorf("ask for the end of the control topic: %w", err)}
	}
	return bounds[0].High, nil
}

// awaitControl returns when the view has everything that was committed to the
// worker's control topic before the call, or the host drains. The worker must
// have no transaction open.
func (w *worker) awaitControl(ctx context.Context) error {
	end, err := w.controlEnd(ctx)
	for tries := 1; err != nil; tries++ {
		if ctx.Err() != nil || w.drain.Load() || tries > resumeTries {
			return err
		}
		if err := w.pause(ctx, min(backoff(100*time.Millisecond, tries), 5*time.Second)); err != nil {
			return err
		}
		end, err = w.controlEnd(ctx)
	}
	return w.host.control.await(ctx, w.host.draining, w.cluster, end)
}
