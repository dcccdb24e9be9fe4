package hosttest

import (
	"errors"
	"log/slog"

	"github.com/sliphost/sliphost/state"
)

// Caches are the caches of one host over its starts: a store in memory that
// can be filled and looked into while no engine uses it. Its methods are for
// one goroutine, Reached aside.
type Caches struct {
	engine *state.Memory
	config state.Config
	store  *state.Store
}

// NewCaches opens an empty store for caches; their positions are their ids.
func NewCaches(app string, caches []state.Cache, log *slog.Logger) (*Caches, error) {
	c := &Caches{engine: state.NewMemory(), config: state.Config{App: app, Caches: caches, Log: log}}
	return c, c.open()
}

func (c *Caches) open() (err error) {
	c.store, err = state.Open(c.engine, c.config)
	return err
}

// Store is what the engine gets, until Restart.
func (c *Caches) Store() *state.Store { return c.store }

// Restart closes the store and opens what a new process finds.
func (c *Caches) Restart() error {
	if err := c.store.Close(); err != nil {
		return err
	}
	c.engine = c.engine.Restart()
	return c.open()
}

// Close closes the store.
func (c *Caches) Close() error { return c.store.Close() }

// Reached says whether a global cache holds the record at offset of a topic's
// partition, or whether the store failed, which the engine meets as well.
func (c *Caches) Reached(cache int, partition int32, offset int64) bool {
	pos, _, err := c.store.Position(cache, partition)
	return err != nil || pos.Next > offset
}

// Put writes an entry, its key in the stored form, as a committed one that no
// changelog has: the position is the beginning of log. ms is the stream time.
func (c *Caches) Put(cache int, partition int32, log uint32, ms int64, key, value []byte) (err error) {
	o := c.store.Overlay()
	defer func() { err = errors.Join(err, o.Close()) }()
	o.SetTime(ms)
	p, err := o.Attach(cache, partition)
	if err != nil {
		return err
	}
	p.SetPosition(state.Position{Log: log})
	if err := p.Put(key, value); err != nil {
		return err
	}
	o.Commit()
	return nil
}

// Each calls f with the entries of a partition in the order of their keys,
// stored forms, which are f's to keep. For a global cache the partition is 0.
func (c *Caches) Each(cache int, partition int32, f func(key, value []byte)) (err error) {
	o := c.store.Overlay()
	defer func() { err = errors.Join(err, o.Close()) }()
	p, err := o.Attach(cache, partition)
	if err != nil {
		return err
	}
	var from []byte
	for more := true; more; {
		page := state.Page{Limit: 4096, MaxBytes: 1 << 20}
		if more, err = p.Page(from, nil, false, &page); err != nil {
			return err
		}
		for i := range page.Len() {
			key, value := page.Entry(i)
			f(key, value)
			from = append(append(from[:0], key...), 0)
		}
	}
	return nil
}
