package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/state"
)

// CacheView reads the caches behind a state directory: through the host that
// runs there or, if none does, in the store that it left. It is not safe for
// concurrent use.
type CacheView struct {
	// Running says that a host answers.
	Running bool

	dir    string
	infos  []host.CacheInfo
	client *admin.Client
	// What follows is for the store of a stopped host.
	state   *stateDir
	store   *state.Store
	engine  state.Engine
	overlay *state.Overlay
	parts   map[cachePart]*state.Partition
}

type cachePart struct {
	cache     int
	partition int32
}

// OpenCaches finds the host of m's state directory, or takes the directory and
// opens its store. Close gives it back.
func OpenCaches(ctx context.Context, m *manifest.Manifest, o Options) (*CacheView, error) {
	v := &CacheView{dir: o.stateDir(m), parts: map[cachePart]*state.Partition{}}
	v.client = admin.Dial(v.dir)
	var err error
	if v.infos, err = v.client.Caches(ctx); err == nil {
		v.Running = true
		return v, nil
	}
	if !errors.Is(err, admin.ErrNoHost) {
		return nil, err
	}
	if err := v.open(m, o); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// open takes the store of a stopped host.
func (v *CacheView) open(m *manifest.Manifest, o Options) error {
	if _, err := os.Stat(StoreDir(v.dir)); err != nil {
		return fmt.Errorf("no host runs on state directory %s, and there is no store in it: %w; start a host with `sliphost run`, or name the directory of another one with --state-dir", v.dir, cause(err))
	}
	var err error
	if v.state, err = openState(v.dir); err != nil {
		return err
	}
	b := &Build{Manifest: m, entryLimits: make([]int, len(m.Caches))}
	caches := b.Caches()
	if v.store, v.engine, err = openCaches(StoreDir(v.dir), m.Name, caches, NewBudget(m), o); err != nil {
		return err
	}
	v.overlay = v.store.Overlay()
	for i := range caches {
		c := &caches[i]
		info := host.CacheInfo{ID: c.Name, Kind: string(m.Caches[i].Kind), Key: c.Key.String(), Owned: []host.CachePart{}}
		parts, err := v.store.Partitions(i)
		if err != nil {
			return err
		}
		if c.Kind == state.Global && len(parts) > 0 {
			parts = []int32{0}
		}
		for _, p := range parts {
			info.Owned = append(info.Owned, host.CachePart{Partition: p, Phase: "stopped"})
		}
		v.infos = append(v.infos, info)
	}
	return nil
}

// Close gives the store back, if this process has it.
func (v *CacheView) Close() error {
	var errs []error
	if v.overlay != nil {
		errs = append(errs, v.overlay.Close())
	}
	if v.store != nil {
		errs = append(errs, v.store.Close(), v.engine.Close())
	}
	if v.state != nil {
		errs = append(errs, v.state.Close())
	}
	return errors.Join(errs...)
}

// Cache finds a cache by its id.
func (v *CacheView) Cache(id string) (*host.CacheInfo, error) {
	var names []string
	for i := range v.infos {
		if v.infos[i].ID == id {
			return &v.infos[i], nil
		}
		names = append(names, v.infos[i].ID)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no cache %q: the manifest has none", id)
	}
	return nil, fmt.Errorf("there is no cache %q; there are %s", id, strings.Join(names, ", "))
}

// KeyTypeOf is the type of a cache's keys.
func KeyTypeOf(c *host.CacheInfo) state.KeyType { return keyType(manifest.KeyType(c.Key)) }

// Scan says what a scan of a cache shows.
type Scan struct {
	// Partition is the only one to look at, -1 for all.
	Partition int32
	// From and To are stored keys that bound what is shown, To not included;
	// nil is no bound.
	From, To []byte
	Reverse  bool
	// Limit ends the scan after that many entries, 0 never.
	Limit int
}

// Missing are partitions of a cache that a scan could not show, and why.
type Missing struct {
	Partition int32
	// Reason is empty for a partition that another process owns.
	Reason string
}

// patience is how long a scan waits for a partition that may be read later.
const patience = 10 * time.Second

// Scan hands entries to f, partition by partition in the order of their numbers
// and by key in each; f must not keep the slices. It returns the partitions
// that are not here or cannot be read now.
func (v *CacheView) Scan(ctx context.Context, c *host.CacheInfo, s Scan, f func(partition int32, key, value []byte) error) ([]Missing, error) {
	var missing []Missing
	owned := map[int32]bool{}
	for _, p := range c.Owned {
		owned[p.Partition] = true
	}
	var all []int32
	for p := range c.Partitions {
		all = append(all, p)
	}
	for p := range owned {
		if p >= c.Partitions {
			all = append(all, p)
		}
	}
	if s.Partition >= 0 {
		if c.Partitions > 0 && s.Partition >= c.Partitions {
			return nil, fmt.Errorf("cache %q has partitions 0 to %d, not %d", c.ID, c.Partitions-1, s.Partition)
		}
		all = []int32{s.Partition}
	}
	slices.Sort(all)
	left := s.Limit
	for _, p := range all {
		if s.Limit > 0 && left == 0 {
			break
		}
		if !owned[p] {
			missing = append(missing, Missing{Partition: p})
			continue
		}
		n, err := v.scan(ctx, c, p, s, left, f)
		if reason := (*unreadable)(nil); errors.As(err, &reason) {
			missing = append(missing, Missing{p, reason.text})
			continue
		}
		if err != nil {
			return missing, err
		}
		left -= n
	}
	return missing, nil
}

// unreadable is a partition that cannot be read now.
type unreadable struct{ text string }

func (e *unreadable) Error() string { return e.text }

// scan shows one partition and returns how many entries that were.
func (v *CacheView) scan(ctx context.Context, c *host.CacheInfo, p int32, s Scan, left int, f func(int32, []byte, []byte) error) (n int, err error) {
	q := host.Inquiry{Cache: c.ID, Partition: p, From: s.From, To: s.To, Reverse: s.Reverse}
	for {
		if s.Limit > 0 {
			q.Limit = left - n
		}
		page, err := v.page(ctx, &q)
		if err != nil {
			return n, err
		}
		for _, e := range page.Entries {
			if err := f(p, e.Key, e.Value); err != nil {
				return n, err
			}
		}
		n += len(page.Entries)
		if !page.More || len(page.Entries) == 0 || s.Limit > 0 && n >= left {
			return n, nil
		}
		last := page.Entries[len(page.Entries)-1].Key
		if q.Reverse {
			q.To = last
		} else {
			q.From = append(slices.Clip(last), 0)
		}
	}
}

// page reads one page. A host that cannot answer yet is asked again for a
// while.
func (v *CacheView) page(ctx context.Context, q *host.Inquiry) (*admin.CachePage, error) {
	if !v.Running {
		return v.stored(q)
	}
	for end := time.Now().Add(patience); ; {
		page, err := v.client.Inquire(ctx, q)
		var refused *admin.RefusedError
		if err == nil || !errors.As(err, &refused) {
			return page, err
		}
		if !refused.Later() || time.Now().After(end) {
			return nil, &unreadable{refused.Detail}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// stored reads one page of the store of a stopped host. There is no stream time
// in it, so nothing counts as expired.
func (v *CacheView) stored(q *host.Inquiry) (*admin.CachePage, error) {
	cache := slices.IndexFunc(v.infos, func(c host.CacheInfo) bool { return c.ID == q.Cache })
	at := cachePart{cache, q.Partition}
	if v.parts[at] == nil {
		p, err := v.overlay.Attach(cache, q.Partition)
		if err != nil {
			return nil, fmt.Errorf("cache %q partition %d: %w", q.Cache, q.Partition, err)
		}
		v.parts[at] = p
	}
	v.overlay.SetTime(-1)
	page := state.Page{Limit: 10000, MaxBytes: 4 << 20}
	if q.Limit > 0 {
		page.Limit = min(page.Limit, q.Limit)
	}
	more, err := v.parts[at].Page(q.From, q.To, q.Reverse, &page)
	if err != nil {
		return nil, fmt.Errorf("cache %q partition %d: %w", q.Cache, q.Partition, err)
	}
	out := &admin.CachePage{Cache: q.Cache, Partition: q.Partition, More: more}
	for i := range page.Len() {
		key, value := page.Entry(i)
		out.Entries = append(out.Entries, admin.CacheEntry{Key: key, Value: value})
	}
	return out, nil
}
