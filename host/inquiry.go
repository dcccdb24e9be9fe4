package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/state"
)

// A partition of a cache belongs to the worker that owns its task, and nobody
// else may read it. Who wants to look asks that worker, which answers between
// two batches, with what is committed and nothing else.

// CachePart is one partition of a cache as this process has it.
type CachePart struct {
	Partition int32  `json:"partition"`
	Worker    int    `json:"worker"`
	Phase     string `json:"phase"`
}

// CacheInfo is a cache of the plan.
type CacheInfo struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Key is the type of the keys.
	Key string `json:"key"`
	// Partitions is the number of all partitions, 0 if it is not known; a global
	// cache is one set of keys and has the one partition 0.
	Partitions int32 `json:"partitions"`
	// Owned are the partitions that this process has, in order.
	Owned []CachePart `json:"owned"`
}

// Inquiry asks for a stretch of a cache's partition: the entries with keys in
// [From, To), from the first upwards or, with Reverse, from the last downwards,
// until there are Limit entries or about MaxBytes bytes. Keys are in stored
// form; a nil To has no end.
type Inquiry struct {
	Cache     string
	Partition int32
	From, To  []byte
	Reverse   bool
	Limit     int
	MaxBytes  int
}

// InquiryError says why a question about a cache has no answer.
type InquiryError struct {
	// Unknown: there is no such cache. Elsewhere: this process does not own the
	// partition. Invalid: the question makes no sense for this cache. Gone: what
	// is asked for was there once. Otherwise the answer may come later.
	Unknown, Elsewhere, Invalid, Gone bool
	Reason                            string
}

func (e *InquiryError) Error() string { return e.Reason }

// Page is a stretch of a cache.
type Page = state.Page

// inquiry is one question on its way to a worker. The worker owns page until
// it answers; whoever gave up waiting leaves all of it to the worker.
type inquiry struct {
	cache  int
	task   taskKey
	q      *Inquiry
	page   state.Page
	more   bool
	err    error
	served chan struct{}
}

// inquiryTimeout bounds the wait for a worker: it is in a call of a handler, or
// waits before it goes on after an error.
const inquiryTimeout = 5 * time.Second

// inquiryPace is how soon a worker that was asked looks again, and for how
// long: who reads a whole cache asks page after page.
const (
	inquiryPace   = time.Millisecond
	inquiryLasts  = 100 * time.Millisecond
	inquiriesOnce = 8
)

// kindNames are the kinds of caches as the manifest has them.
var kindNames = [...]string{state.KV: "kv", state.Global: "global", state.Local: "local"}

// Caches describes the caches of the plan. Safe for concurrent use.
func (h *Host) Caches() []CacheInfo {
	all := []CacheInfo{}
	for i := range h.plan.Caches {
		c := &h.plan.Caches[i]
		info := CacheInfo{ID: c.ID, Kind: kindNames[c.Kind], Key: c.Key.String(), Partitions: c.Partitions, Owned: []CachePart{}}
		sub := h.plan.subOf(i)
		switch {
		case c.Kind == state.Global:
			info.Partitions = 1
			info.Owned = append(info.Owned, CachePart{Phase: h.globals.phase(c.Cluster, h.backends.Store)})
		case sub >= 0:
			info.Owned = h.owned(sub)
		}
		all = append(all, info)
	}
	return all
}

// subOf is the sub-topology that a kv or local cache belongs to, -1 if no
// handler uses it.
func (p *Plan) subOf(cache int) int {
	for i := range p.Subs {
		for _, c := range p.Subs[i].Caches {
			if c == cache {
				return i
			}
		}
	}
	return -1
}

// owned lists the tasks of a sub-topology, by partition.
func (h *Host) owned(sub int) []CachePart {
	name := h.plan.Subs[sub].Name
	parts := []CachePart{}
	for _, w := range h.workers {
		w.mu.Lock()
		for _, t := range w.status.Tasks {
			if t.Sub == name {
				parts = append(parts, CachePart{Partition: t.Partition, Worker: w.id, Phase: t.Phase})
			}
		}
		w.mu.Unlock()
	}
	slices.SortFunc(parts, func(a, b CachePart) int { return cmp.Compare(a.Partition, b.Partition) })
	return parts
}

// Inquire answers a question about a cache with what is committed. The entries
// are the caller's; more says that some are left behind the last one. An error
// that is an *InquiryError is for people; it waits a few seconds at most. Safe
// for concurrent use.
func (h *Host) Inquire(ctx context.Context, q *Inquiry) (page *Page, more bool, err error) {
	cache := -1
	for i := range h.plan.Caches {
		if h.plan.Caches[i].ID == q.Cache {
			cache = i
		}
	}
	if cache < 0 {
		return nil, false, &InquiryError{Unknown: true, Reason: fmt.Sprintf("there is no cache %q", q.Cache)}
	}
	if h.plan.Caches[cache].Kind == state.Global {
		return h.inquireGlobal(cache, q)
	}
	sub := h.plan.subOf(cache)
	if sub < 0 {
		return nil, false, &InquiryError{Unknown: true, Reason: fmt.Sprintf("no handler uses cache %q, so nothing is kept for it", q.Cache)}
	}
	for _, part := range h.owned(sub) {
		if part.Partition == q.Partition {
			return h.workers[part.Worker].inquire(ctx, &inquiry{
				cache: cache, task: taskKey{sub, q.Partition}, q: q,
				page: state.Page{Limit: q.Limit, MaxBytes: q.MaxBytes}, served: make(chan struct{}),
			})
		}
	}
	return nil, false, elsewhere(q)
}

func elsewhere(q *Inquiry) error {
	return &InquiryError{Elsewhere: true, Reason: fmt.Sprintf("this process does not own partition %d of cache %q", q.Partition, q.Cache)}
}

func (h *Host) inquireGlobal(cache int, q *Inquiry) (*Page, bool, error) {
	c := &h.plan.Caches[cache]
	switch {
	case q.Partition != 0:
		return nil, false, elsewhere(q)
	case h.globals.phase(c.Cluster, h.backends.Store) != phaseNames[taskRunning]:
		return nil, false, &InquiryError{Reason: fmt.Sprintf("cache %q is still being read from topic %q; ask again when that is done", q.Cache, c.Topic)}
	}
	page := &state.Page{Limit: q.Limit, MaxBytes: q.MaxBytes}
	more, err := h.backends.Store.Global(cache).Page(q.From, q.To, q.Reverse, page)
	return page, more, err
}

// phase says whether the global caches of a cluster are whole.
func (g *globals) phase(cluster int, store *state.Store) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if store == nil || g.whole[cluster] != store.Epoch() {
		return phaseNames[taskRestoring]
	}
	return phaseNames[taskRunning]
}

// inquire hands a question to the worker and waits for the answer. Any
// goroutine may call it.
func (w *worker) inquire(ctx context.Context, in *inquiry) (*Page, bool, error) {
	timer := time.NewTimer(inquiryTimeout)
	defer timer.Stop()
	draining := w.host.draining.Done()
	late := &InquiryError{Reason: fmt.Sprintf("worker %d does not answer within %s: it is in a call of a handler, or waits before it goes on after an error; ask again, or see sliphost status", w.id, inquiryTimeout)}
	select {
	case w.inquiries <- in:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-draining:
		return nil, false, errInquiryDraining
	case <-timer.C:
		return nil, false, late
	}
	select {
	case <-in.served:
		return &in.page, in.more, in.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-draining:
		return nil, false, errInquiryDraining
	case <-timer.C:
		return nil, false, late
	}
}

var errInquiryDraining = &InquiryError{Reason: "the host is draining: it commits and ends; ask again when it has, which reads the store it leaves"}

// answer serves the questions that wait, a few of them. What is staged is
// committed first, so that nothing is shown that may still be taken back. An
// error is one of that commit or of the store, for the worker to act on.
func (w *worker) answer(ctx context.Context) error {
	for range inquiriesOnce {
		select {
		case in := <-w.inquiries:
			w.asked = w.backends.Clock.Now()
			err := w.serve(ctx, in)
			close(in.served)
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// curious says that more questions are likely to follow at once.
func (w *worker) curious(now time.Time) bool {
	return !w.asked.IsZero() && now.Sub(w.asked) < inquiryLasts
}

// serve answers one question.
func (w *worker) serve(ctx context.Context, in *inquiry) error {
	not := func(reason string) error {
		in.err = &InquiryError{Reason: fmt.Sprintf("partition %d of cache %q: %s", in.q.Partition, in.q.Cache, reason)}
		return nil
	}
	t := w.tasks[in.task]
	switch {
	case t == nil:
		in.err = elsewhere(in.q)
		return nil
	case t.phase == taskWaiting:
		return not("its task waits for inputs that another process still has")
	case t.phase == taskRestoring:
		return not(fmt.Sprintf("it is being restored, %d changelog records are left for this worker", w.restorer.remaining.Load()))
	case w.suspended != nil:
		return not("processing is suspended, because the state store cannot be written: " + w.suspended.Error())
	}
	if w.overlay.Staged() > 0 {
		if err := w.commit(ctx); err != nil {
			in.err = &InquiryError{Reason: "what is staged cannot be committed just now: " + err.Error()}
			return err
		}
		if w.overlay.Staged() > 0 {
			return not("what is staged is not committed yet; ask again")
		}
	}
	p := w.partition(t, in.cache)
	if p == nil {
		return not("it is not attached")
	}
	w.overlay.SetTime(t.streamTime)
	in.more, in.err = p.Page(in.q.From, in.q.To, in.q.Reverse, &in.page)
	if in.err != nil && !errors.Is(in.err, state.ErrStale) {
		return w.storeError(in.err)
	}
	return nil
}
