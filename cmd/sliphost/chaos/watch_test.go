package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
	"github.com/twmb/franz-go/pkg/kgo"
)

// watcher looks at an application while the faults happen: offsets and ends at
// moments, progress, and its outputs as any reader gets them.
type watcher struct {
	a    *app
	cl   *kgo.Client
	view *kgo.Client
	seen *collector
	// done is the sum of the committed offsets; markers of the generator's
	// transactions count, too.
	done   atomic.Int64
	next   atomic.Pointer[[]int64] // committed offsets, by partition
	outage atomic.Bool             // the driver keeps the host from working
	stop   context.CancelFunc
	wait   sync.WaitGroup

	watched  []checker.Observation
	progress []checker.Progress
	err      error
}

// outputs lists the real names of the output topics.
func (a *app) outputs() (names []string) {
	for _, h := range a.handlers {
		names = append(names, a.topics["out-"+h])
	}
	return names
}

func newWatcher(t *testing.T, a *app) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{
		a: a, cl: client(t, a.broker.Addr), stop: cancel,
		view: client(t, a.broker.Addr, from(a.partitions, true, a.outputs()...)...),
		seen: newCollector(a.partitions, a.outputs()...),
	}
	t.Cleanup(w.finish)
	w.wait.Add(2)
	go func() {
		defer w.wait.Done()
		for ctx.Err() == nil {
			w.view.PollFetches(ctx).EachRecord(w.seen.take)
		}
	}()
	go func() {
		defer w.wait.Done()
		for ctx.Err() == nil {
			// A broker that is down or moves is the scenario's fault: look again.
			limit, cancel := context.WithTimeout(ctx, 20*time.Second)
			err := w.look(limit)
			cancel()
			if err != nil && ctx.Err() == nil {
				w.err = err
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return w
}

// look makes one observation, in the order that Observation asks for.
func (w *watcher) look(ctx context.Context) error {
	in := w.a.topics["in"]
	before, err := w.offsets(ctx)
	if err != nil {
		return err
	}
	o := checker.Observation{Before: before}
	if o.High, err = ends(ctx, w.cl, false, w.a.partitions, append(w.a.outputs(), in)...); err != nil {
		return err
	}
	if o.Stable, err = ends(ctx, w.cl, true, w.a.partitions, append(w.a.outputs(), in)...); err != nil {
		return err
	}
	if o.After, err = w.offsets(ctx); err != nil {
		return err
	}
	w.watched = append(w.watched, o)
	var done, end int64
	for p, next := range o.After {
		done += next
		end += o.High[in][p]
	}
	w.done.Store(done)
	w.next.Store(&o.After)
	w.progress = append(w.progress, checker.Progress{At: time.Since(w.a.began), Done: done, Waiting: done < end && !w.outage.Load()})
	return nil
}

func (w *watcher) offsets(ctx context.Context) ([]int64, error) {
	in := w.a.topics["in"]
	got, err := groupOffsets(ctx, w.cl, w.a.name, w.a.partitions, in)
	if err != nil {
		return nil, err
	}
	var next []int64
	for _, c := range got[in] {
		next = append(next, max(0, c.offset))
	}
	return next, nil
}

// latest is what was committed when last looked, by partition.
func (w *watcher) latest() []int64 { return *w.next.Load() }

// finish ends the watching.
func (w *watcher) finish() {
	w.stop()
	w.wait.Wait()
}

// views returns what the reader got.
func (w *watcher) views() (views []checker.Topic) {
	for _, t := range w.seen.topics {
		views = append(views, *t)
	}
	return views
}

// settled waits until no transaction is open in any of the topics: those of a
// process that was killed end when it comes back, or by their timeout.
func (a *app) settled(ctx context.Context, topics []string) error {
	cl := client(a.t, a.broker.Addr)
	for {
		high, err := ends(ctx, cl, false, a.partitions, topics...)
		if err != nil {
			return err
		}
		stable, err := ends(ctx, cl, true, a.partitions, topics...)
		if err != nil {
			return err
		}
		open := ""
		for name, parts := range high {
			if !slices.Equal(parts, stable[name]) {
				open = fmt.Sprintf("%s ends at %v and is readable up to %v", name, parts, stable[name])
			}
		}
		if open == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("a transaction stays open: " + open)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
