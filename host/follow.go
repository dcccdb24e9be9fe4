package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/state"
)

// Whoever follows a cache from outside reads its changelog, committed records
// only: so what is told is committed, comes from every process, wherever its
// partitions move, and can be resumed after any restart; and who reads slowly
// keeps no worker waiting. A changelog has the last value of each key in a
// commit.

// FollowQuery asks for the updates of a kv cache.
type FollowQuery struct {
	Cache string
	// Partition is the only one to follow, -1 for all.
	Partition int32
	// Key and Prefix are text as people write keys; "" is any key.
	Key, Prefix string
	// After is a position that a Follower told, to go on behind it. Otherwise
	// Start begins with the first update that the changelog has, and without it
	// with the next one.
	After string
	Start bool
}

// CacheUpdate is one update that is committed. Key and Value are valid until
// the next call of the Follower.
type CacheUpdate struct {
	Partition int32
	Offset    int64
	// Key is in stored form, Value nil if the key was removed.
	Key, Value []byte
	// Timestamp is when it was committed, in milliseconds since 1970.
	Timestamp int64
}

// Follower reads the updates of a cache. It belongs to one goroutine.
type Follower struct {
	cache  *Cache
	id     int
	store  *state.Store
	reader LogReader
	next   []int64 // by partition, OffsetNone for those not followed
	key    []byte
	prefix []byte
	packed abi.Packed
}

// Follow begins to read updates. The error may be an *InquiryError, for people.
// Safe for concurrent use; the host must run.
func (h *Host) Follow(ctx context.Context, q *FollowQuery) (*Follower, error) {
	f := &Follower{id: -1, store: h.backends.Store}
	for i := range h.plan.Caches {
		if h.plan.Caches[i].ID == q.Cache {
			f.id, f.cache = i, &h.plan.Caches[i]
		}
	}
	invalid := func(format string, args ...any) error {
		return &InquiryError{Invalid: true, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case f.cache == nil:
		return nil, &InquiryError{Unknown: true, Reason: fmt.Sprintf("there is no cache %q", q.Cache)}
	case f.cache.Kind == state.Global:
		return nil, invalid("cache %q is global: its updates are the records of topic %q", q.Cache, f.cache.Topic)
	case f.cache.Kind == state.Local:
		return nil, invalid("cache %q is local: it has no changelog that its updates could be read from", q.Cache)
	case h.plan.subOf(f.id) < 0:
		return nil, &InquiryError{Unknown: true, Reason: fmt.Sprintf("no handler uses cache %q, so nothing is kept for it", q.Cache)}
	case q.Partition >= f.cache.Partitions:
		return nil, invalid("cache %q has partitions 0 to %d, not %d", q.Cache, f.cache.Partitions-1, q.Partition)
	case q.Prefix != "" && f.cache.Key != state.KeyString && f.cache.Key != state.KeyBytes:
		return nil, invalid("a prefix is for string and bytes keys; those of cache %q are of type %s", q.Cache, f.cache.Key)
	}
	for _, filter := range []struct {
		text string
		to   *[]byte
	}{{q.Key, &f.key}, {q.Prefix, &f.prefix}} {
		if filter.text == "" {
			continue
		}
		key, err := f.cache.Key.Parse(nil, filter.text)
		if err != nil {
			return nil, invalid("%q is no key of cache %q, whose keys are of type %s: %v", filter.text, q.Cache, f.cache.Key, err)
		}
		*filter.to = key
	}
	if err := f.place(ctx, h, q); err != nil {
		return nil, err
	}
	return f, f.open(ctx, h)
}

// place finds out where to begin.
func (f *Follower) place(ctx context.Context, h *Host, q *FollowQuery) error {
	f.next = make([]int64, f.cache.Partitions)
	var parts []LogPartition
	for p := range f.next {
		f.next[p] = abi.OffsetNone
		if q.Partition < 0 || int(q.Partition) == p {
			parts = append(parts, LogPartition{Topic: f.cache.Topic, Partition: int32(p)})
		}
	}
	bounds, err := h.backends.LogBounds(ctx, f.cache.Cluster, parts)
	if err != nil {
		return fmt.Errorf("ask for the ends of changelog %q: %w", f.cache.Topic, err)
	}
	for i, p := range parts {
		f.next[p.Partition] = bounds[i].LastStable
		if q.Start {
			f.next[p.Partition] = bounds[i].Low
		}
	}
	if q.After == "" {
		return nil
	}
	log, next, err := parsePosition(q.After)
	if err != nil {
		return &InquiryError{Invalid: true, Reason: fmt.Sprintf("%q is no position in the updates of a cache: %v", q.After, err)}
	}
	if log != f.cache.Log {
		return &InquiryError{Gone: true, Reason: fmt.Sprintf("the changelog of cache %q was made anew since that position was told; begin anew, from the start to see what is in it", f.cache.ID)}
	}
	for i, p := range parts {
		at, ok := next[p.Partition]
		switch {
		case !ok:
			return &InquiryError{Invalid: true, Reason: fmt.Sprintf("the position %q is of a request for other partitions: it does not tell one for %d", q.After, p.Partition)}
		case at < bounds[i].Low:
			return &InquiryError{Gone: true, Reason: fmt.Sprintf("updates of cache %q behind that position were deleted from the changelog, whose partition %d begins at %d; begin anew", f.cache.ID, p.Partition, bounds[i].Low)}
		case at > bounds[i].High:
			return &InquiryError{Gone: true, Reason: fmt.Sprintf("the position is behind the end of the changelog of cache %q: partition %d ends at %d; begin anew", f.cache.ID, p.Partition, bounds[i].High)}
		}
		f.next[p.Partition] = at
	}
	return nil
}

func (f *Follower) open(ctx context.Context, h *Host) error {
	open := h.backends.Follower
	if open == nil {
		open = h.backends.LogReader
	}
	var err error
	if f.reader, err = open(ctx, f.cache.Cluster); err != nil {
		return fmt.Errorf("open a reader of changelogs: %w", err)
	}
	if err = f.reader.Open(ctx, []string{f.cache.Topic}); err == nil {
		for p, at := range f.next {
			if at >= 0 && err == nil {
				err = f.reader.Add(abi.TopicPartition{Partition: int32(p)}, at)
			}
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read changelog %q: %w", f.cache.Topic, err), f.reader.Close())
	}
	return nil
}

// followBytes and followRecords bound what is read at once.
const (
	followRecords = 1024
	followBytes   = 1 << 20
)

// Next hands to take what has come, waiting at most wait for the first update;
// Position inside it is behind the update. It returns take's first error.
func (f *Follower) Next(wait time.Duration, take func(*CacheUpdate) error) error {
	if err := f.reader.Poll(&f.packed, followRecords, followBytes, wait); err != nil {
		return fmt.Errorf("read changelog %q: %w", f.cache.Topic, err)
	}
	for i := range f.packed.Runs {
		run := &f.packed.Runs[i]
		rd := abi.NewReader(f.packed.Buf[run.Start:run.End])
		for range run.Count {
			var rec abi.Record
			abi.ReadRecord(&rd, &rec)
			if err := rd.Err(); err != nil {
				return fmt.Errorf("read changelog %q: %w", f.cache.Topic, err)
			}
			u := CacheUpdate{Partition: run.Partition, Offset: run.BaseOffset + rec.OffsetDelta, Key: rec.Key, Timestamp: run.BaseTimestamp + rec.TimestampDelta}
			f.next[run.Partition] = u.Offset + 1
			if !f.wants(rec.Key) {
				continue
			}
			if rec.Value != nil {
				value, ok := f.store.Value(f.id, rec.Value)
				if !ok {
					return fmt.Errorf("changelog %q: partition %d offset %d has a value that is none of this cache; ttl or max_bytes were added to it, or another program wrote it", f.cache.Topic, u.Partition, u.Offset)
				}
				u.Value = value
				if value == nil {
					u.Value = []byte{}
				}
			}
			if err := take(&u); err != nil {
				return err
			}
		}
		f.next[run.Partition] = run.LastOffset + 1
	}
	for _, end := range f.packed.Ends {
		if p := end.Partition; f.next[p] >= 0 && end.Offset > f.next[p] {
			f.next[p] = end.Offset // aborted records and markers
		}
	}
	return nil
}

func (f *Follower) wants(key []byte) bool {
	return (f.key == nil || bytes.Equal(key, f.key)) && bytes.HasPrefix(key, f.prefix)
}

// Text is a key as people write it.
func (f *Follower) Text(key []byte) string { return f.cache.Key.Text(key) }

// Position is where Next goes on. FollowQuery.After takes it, at any later
// time and in any process of the application.
func (f *Follower) Position() string {
	b := fmt.Appendf(nil, "%08x", f.cache.Log)
	for p, at := range f.next {
		if at >= 0 {
			b = append(b, '-')
			b = strconv.AppendInt(b, int64(p), 10)
			b = append(b, ':')
			b = strconv.AppendInt(b, at, 10)
		}
	}
	return string(b)
}

// Partitions is how many are followed.
func (f *Follower) Partitions() (n int) {
	for _, at := range f.next {
		if at >= 0 {
			n++
		}
	}
	return n
}

// Close ends the reading.
func (f *Follower) Close() error { return f.reader.Close() }

// parsePosition reads what Position writes.
func parsePosition(text string) (log uint32, next map[int32]int64, err error) {
	head, rest, _ := strings.Cut(text, "-")
	n, err := strconv.ParseUint(head, 16, 32)
	if err != nil || len(head) != 8 {
		return 0, nil, errors.New("it does not begin with 8 hexadecimal digits")
	}
	next = map[int32]int64{}
	for _, part := range strings.Split(rest, "-") {
		p, at, ok := strings.Cut(part, ":")
		number, perr := strconv.ParseUint(p, 10, 31)
		offset, aerr := strconv.ParseUint(at, 10, 63)
		if !ok || perr != nil || aerr != nil {
			return 0, nil, fmt.Errorf("%q is not PARTITION:OFFSET", part)
		}
		if _, twice := next[int32(number)]; twice {
			return 0, nil, fmt.Errorf("it names partition %d twice", number)
		}
		next[int32(number)] = int64(offset)
	}
	return uint32(n), next, nil
}
