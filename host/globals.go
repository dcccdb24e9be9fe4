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
// lasts.
func (h *Host) followGlobals(ctx context.Context, cluster int) {
	for tries := 1; ctx.Err() == nil; tries++ {
		err := h.readGlobals(ctx, cluster)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, state.ErrStale) {
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

// globalReader fills the global caches of one cluster.
type globalReader struct {
	h *Host
	// caches maps the reader's topics to caches.
	caches []int
	left   map[abi.TopicPartition]int64 // what is not at its end yet
	load   *state.Load
	key    []byte
	value  []byte
}

func (h *Host) readGlobals(ctx context.Context, cluster int) (err error) {
	epoch := h.backends.Store.Epoch()
	g := &globalReader{h: h, left: map[abi.TopicPartition]int64{}, load: h.backends.Store.Load()}
	var topics []string
	for i := range h.plan.Caches {
		if c := &h.plan.Caches[i]; c.Kind == state.Global && c.Cluster == cluster {
			g.caches, topics = append(g.caches, i), append(topics, c.Topic)
		}
	}
	reader, err := h.backends.LogReader(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := reader.Open(ctx, topics); err != nil {
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
		if len(g.left) == 0 && !whole {
			whole = true
			h.globals.set(cluster, epoch)
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

// open begins each partition where the store ends.
func (g *globalReader) open(ctx context.Context, reader LogReader) error {
	var parts []abi.TopicPartition
	for topic, c := range g.caches {
		for p := range g.h.plan.Caches[c].Partitions {
			parts = append(parts, abi.TopicPartition{Topic: int32(topic), Partition: p})
		}
	}
	bounds, err := reader.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	for i, p := range parts {
		cache := g.caches[p.Topic]
		c := &g.h.plan.Caches[cache]
		pos, stored, err := g.h.backends.Store.Position(cache, p.Partition)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		if stored && (pos.Log != c.Log || pos.Next > bounds[i].High) {
			g.h.log.Warn("the topic of a global cache was made anew; reading it from the beginning", "cache", c.ID, "topic", c.Topic)
			if err := g.h.backends.Store.Wipe(cache, 0); err != nil {
				return fmt.Errorf("%w: %w", errStore, err)
			}
			return g.open(ctx, reader)
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

// take applies one pack.
func (g *globalReader) take(packed *abi.Packed) error {
	if len(packed.Runs) == 0 && len(packed.Ends) == 0 {
		return nil
	}
	moved := func(p abi.TopicPartition, next int64) {
		cache := g.caches[p.Topic]
		g.load.SetPosition(cache, p.Partition, state.Position{Next: next, Log: g.h.plan.Caches[cache].Log})
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
