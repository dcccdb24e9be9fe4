package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/state"
)

// globals says which clusters' global caches are whole. Workers wait for all of
// them before they join their group, also after the store was made anew.
type globals struct {
	mu sync.Mutex
	// whole is, by cluster, the store's epoch in which the caches were read to
	// their end; changed is closed and replaced when that moves.
	whole   map[int]uint64
	changed chan struct{}
}

func (g *globals) set(cluster int, epoch uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.whole[cluster] = epoch
	close(g.changed)
	g.changed = make(chan struct{})
}

// await returns when every global cache is whole, or draining ends.
func (g *globals) await(ctx, draining context.Context, store *state.Store) error {
	for {
		g.mu.Lock()
		missing, changed := false, g.changed
		for _, epoch := range g.whole {
			missing = missing || epoch != store.Epoch()
		}
		g.mu.Unlock()
		if !missing {
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

// noEpoch is before the first one.
const noEpoch = math.MaxUint64

// globalClusters lists the clusters that have topics of global caches.
func (p *Plan) globalClusters() []int {
	var list []int
	for i := range p.Caches {
		if c := &p.Caches[i]; c.Kind == state.Global && !slices.Contains(list, c.Cluster) {
			list = append(list, c.Cluster)
		}
	}
	return list
}

// followGlobals reads the topics of a cluster's global caches into the store:
// to their ends as of now, which makes them whole, and then for as long as ctx
// lasts. A topic that is made anew meanwhile is read from its beginning into an
// empty cache, which handlers see fill up: they are not held up for it.
func (h *Host) followGlobals(ctx context.Context, cluster int) {
	g := h.newGlobalReader(cluster)
	for tries := 1; ctx.Err() == nil; tries++ {
		err := g.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, state.ErrStale) || errors.Is(err, errTopicChanged) {
			tries = 0
			continue
		}
		wait := min(backoff(100*time.Millisecond, tries), 10*time.Second)
		h.log.Error("reading global caches failed; trying again", "cluster", h.plan.Clusters[cluster], "error", err, "wait", wait)
		timer, stop := h.backends.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			stop()
		case <-timer:
		}
	}
}

// identityEvery is how often the broker is asked whether the topics of global
// caches are still those that were opened: nothing else tells, since a client
// reads on in a topic made anew that has grown beyond the old one's end.
const identityEvery = 10 * time.Second

// errTopicChanged ends a session whose topics are not what they were.
var errTopicChanged = errors.New("a topic of a global cache has changed")

// globalReader fills the global caches of one cluster.
type globalReader struct {
	h       *Host
	cluster int
	// caches maps the reader's topics to caches; names and topics are what these
	// are called and what is known of them: the plan's, until the broker was asked.
	caches []int
	names  []string
	topics []Topic
	asked  time.Time
	left   map[abi.TopicPartition]int64 // what is not at its end yet
	load   *state.Load
	key    []byte
	value  []byte
}

func (h *Host) newGlobalReader(cluster int) *globalReader {
	g := &globalReader{h: h, cluster: cluster}
	for i := range h.plan.Caches {
		if c := &h.plan.Caches[i]; c.Kind == state.Global && c.Cluster == cluster {
			g.caches, g.names = append(g.caches, i), append(g.names, c.Topic)
			g.topics = append(g.topics, Topic{Identity: c.Log, Partitions: c.Partitions})
		}
	}
	return g
}

// session reads with one reader until it fails, or something has changed.
func (g *globalReader) session(ctx context.Context) (err error) {
	h := g.h
	epoch := h.backends.Store.Epoch()
	g.left, g.load = map[abi.TopicPartition]int64{}, h.backends.Store.Load()
	if _, err := g.ask(ctx); err != nil {
		return err
	}
	reader, err := h.backends.LogReader(ctx, g.cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := reader.Open(ctx, g.names); err != nil {
		return err
	}
	if err := g.open(ctx, reader); err != nil {
		return err
	}
	var packed abi.Packed
	for whole := false; ctx.Err() == nil; {
		if h.backends.Store.Epoch() != epoch {
			return state.ErrStale
		}
		if err := g.askAgain(ctx); err != nil {
			return err
		}
		if len(g.left) == 0 && !whole {
			whole = true
			h.globals.set(g.cluster, epoch)
		}
		if err := reader.Poll(&packed, 16384, 8<<20, pollWait); err != nil {
			return err
		}
		if err := g.take(&packed); err != nil {
			return err
		}
	}
	return nil
}

// ask brings what is known of the topics up to date and says whether anything
// of it has changed. Partitions are added to topics that stay the same.
func (g *globalReader) ask(ctx context.Context) (changed bool, err error) {
	g.asked = g.h.backends.Clock.Now()
	if g.h.backends.Topics == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, assignTimeout)
	defer cancel()
	topics, err := g.h.backends.Topics(ctx, g.cluster, g.names)
	if err != nil {
		return false, fmt.Errorf("ask whether topics of global caches were made anew: %w", err)
	}
	for i, now := range topics {
		was := &g.topics[i]
		switch {
		case now.Partitions == 0:
			return false, &noTopicError{topic: g.names[i], cache: g.h.plan.Caches[g.caches[i]].ID}
		case isAnother(was.Identity, now.Identity) || was.Partitions != now.Partitions:
			changed = true
		}
		was.Partitions = now.Partitions
		if now.Identity != 0 {
			was.Identity = now.Identity
		}
	}
	return changed, nil
}

// askAgain asks when it is time. A broker that gives no answer now is asked
// again later: reading goes on.
func (g *globalReader) askAgain(ctx context.Context) error {
	if g.h.backends.Clock.Now().Sub(g.asked) < identityEvery {
		return nil
	}
	changed, err := g.ask(ctx)
	switch {
	case errors.As(err, new(*noTopicError)):
		return err
	case err != nil && ctx.Err() == nil:
		g.h.log.Warn("cannot tell whether global caches are still those of their topics; asking again", "cluster", g.h.plan.Clusters[g.cluster], "error", err, "wait", identityEvery)
	case changed:
		return errTopicChanged
	}
	return nil
}

// noTopicError says that a topic is gone.
type noTopicError struct{ topic, cache string }

func (e *noTopicError) Error() string {
	return fmt.Sprintf("topic %q does not exist any more; global cache %q keeps what was read until it is there again", e.topic, e.cache)
}

// open begins each partition where the store ends.
func (g *globalReader) open(ctx context.Context, reader LogReader) error {
	var parts []abi.TopicPartition
	for topic := range g.caches {
		for p := range g.topics[topic].Partitions {
			parts = append(parts, abi.TopicPartition{Topic: int32(topic), Partition: p})
		}
	}
	bounds, err := reader.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	ends := make(map[abi.TopicPartition]Bounds, len(parts))
	for i, p := range parts {
		ends[p] = bounds[i]
	}
	for topic := range g.caches {
		if err := g.trust(topic, ends); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
	}
	for i, p := range parts {
		pos, _, err := g.h.backends.Store.Position(g.caches[p.Topic], p.Partition)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		from := max(pos.Next, bounds[i].Low)
		if from < bounds[i].LastStable {
			g.left[p] = bounds[i].LastStable
		}
		if err := reader.Add(p, from); err != nil {
			return err
		}
	}
	return nil
}

// trust wipes a cache of which the store has entries that are not the topic's.
// It looks at every stored partition: one made anew may have fewer.
func (g *globalReader) trust(topic int, ends map[abi.TopicPartition]Bounds) error {
	cache := g.caches[topic]
	store := g.h.backends.Store
	stored, err := store.Partitions(cache)
	if err != nil {
		return err
	}
	for _, p := range stored {
		pos, still, err := store.Position(cache, p)
		if err != nil {
			return err
		}
		if !still {
			continue // too old: the store has wiped it
		}
		b, exists := ends[abi.TopicPartition{Topic: int32(topic), Partition: p}]
		if exists && pos.Log == g.topics[topic].Identity && pos.Next <= b.High {
			continue
		}
		g.h.log.Warn("the topic of a global cache was made anew, or cut; reading it from the beginning, until then the cache has only a part of it",
			"cache", g.h.plan.Caches[cache].ID, "topic", g.names[topic])
		return store.Wipe(cache, 0)
	}
	return nil
}

// take applies one pack.
func (g *globalReader) take(packed *abi.Packed) error {
	if len(packed.Runs) == 0 && len(packed.Ends) == 0 {
		return nil
	}
	moved := func(p abi.TopicPartition, next int64) {
		cache := g.caches[p.Topic]
		g.load.SetPosition(cache, p.Partition, state.Position{Next: next, Log: g.topics[p.Topic].Identity})
		if end, ok := g.left[p]; ok && next >= end {
			delete(g.left, p)
		}
	}
	for i := range packed.Runs {
		run := &packed.Runs[i]
		if err := g.apply(run, packed.Buf[run.Start:run.End]); err != nil {
			return err
		}
		moved(abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}, run.LastOffset+1)
	}
	for _, end := range packed.Ends {
		moved(end.TopicPartition, end.Offset)
	}
	if err := g.load.Write(); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

// apply stages the records of one run. What cannot be decoded is left out: no
// handler is at fault whose policy could act. What cannot be decoded now is an
// error.
func (g *globalReader) apply(run *abi.Run, wire []byte) error {
	cache := g.caches[run.Topic]
	c := &g.h.plan.Caches[cache]
	rd := abi.NewReader(wire)
	for range run.Count {
		var rec abi.Record
		abi.ReadRecord(&rd, &rec)
		if rd.Err() != nil {
			return nil
		}
		where := []any{"cache", c.ID, "topic", c.Topic, "partition", run.Partition, "offset", run.BaseOffset + rec.OffsetDelta}
		if rec.Key == nil {
			g.h.log.Warn("a record without a key is not part of a cache", where...)
			continue
		}
		key, err := decodeFor(c.KeyCodec, g.key[:0], rec.Key)
		if err == nil {
			g.key = key
			if rec.Value == nil {
				g.load.Put(cache, 0, key, nil)
				continue
			}
			var value []byte
			if value, err = decodeFor(c.ValueCodec, g.value[:0], rec.Value); err == nil {
				g.value = value
				g.load.Put(cache, 0, key, value)
				continue
			}
		}
		var unavailable *codec.Unavailable
		if errors.As(err, &unavailable) {
			return fmt.Errorf("cache %q: topic %q, partition %d, offset %d: %w", c.ID, c.Topic, run.Partition, run.BaseOffset+rec.OffsetDelta, err)
		}
		g.h.log.Error("a record of a global cache cannot be decoded and is left out", append(where, "error", err)...)
	}
	return nil
}

// decodeFor decodes wire by c, which may be nil, behind dst.
func decodeFor(c codec.Codec, dst, wire []byte) ([]byte, error) {
	if !isDecoding(c) {
		return append(dst, wire...), nil
	}
	return c.Decode(dst, wire)
}
