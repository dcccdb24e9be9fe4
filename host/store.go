package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/host/crashpoint"
	"github.com/sliphost/sliphost/state"
)

// openStore takes the worker's overlay of the store.
func (w *worker) openStore() error {
	store := w.backends.Store
	if store == nil {
		return nil
	}
	w.overlay = store.Overlay()
	w.epoch = store.Epoch()
	return w.viewGlobals()
}

// viewGlobals attaches the global caches.
func (w *worker) viewGlobals() error {
	w.globals = make([]*state.Partition, len(w.plan.Caches))
	for i := range w.plan.Caches {
		if w.plan.Caches[i].Kind != state.Global {
			continue
		}
		p, err := w.overlay.Attach(i, 0)
		if err != nil {
			return fmt.Errorf("cache %q: %w", w.plan.Caches[i].ID, err)
		}
		w.globals[i] = p
	}
	return nil
}

// closeStore writes what is committed and not on disk yet. If that fails, the
// next start reads it from the changelogs.
func (w *worker) closeStore() {
	if w.overlay == nil {
		return
	}
	if err := w.overlay.Close(); err != nil && w.suspended == nil {
		w.log.Warn("the state store is behind; the next start reads the rest from the changelogs", "error", err)
	}
}

// storeError marks an error as one of the store.
func (w *worker) storeError(err error) error {
	if err == nil || errors.Is(err, errStore) {
		return err
	}
	return fmt.Errorf("%w: %w", errStore, err)
}

// keepStore starts writes of the store that are due. When one has failed,
// nothing is processed until one works again: the committed entries stay in
// memory meanwhile, and no more are added.
func (w *worker) keepStore(ctx context.Context, now time.Time) error {
	if w.overlay == nil {
		return nil
	}
	if epoch := w.backends.Store.Epoch(); epoch != w.epoch {
		w.epoch = epoch
		if err := w.viewGlobals(); err != nil {
			return err
		}
		return w.restart(ctx, errors.New("the state store was made anew"))
	}
	if w.suspended != nil {
		return w.tryStore(ctx, now)
	}
	if w.overlay.Unwritten() > 0 {
		crashpoint.At("store-before-write")
	}
	err := w.overlay.Maintain(now, false)
	if err == nil {
		return nil
	}
	if errors.Is(err, state.ErrCorrupt) {
		return w.storeBroke(ctx, w.storeError(err))
	}
	w.suspended, w.suspendedTries = err, 0
	w.suspendAgain(now)
	w.publish()
	return nil
}

// suspendAgain sets when the store is tried next.
func (w *worker) suspendAgain(now time.Time) {
	w.suspendedTries++
	wait := min(backoff(250*time.Millisecond, w.suspendedTries), 5*time.Second)
	w.resumeAt = now.Add(wait)
	w.log.Error("the state store cannot be written; processing is suspended until it can", "error", w.suspended, "wait", wait, "tries", w.suspendedTries)
}

// reopenEvery is after how many vain tries the store is closed and opened: an
// engine may refuse all writes after one failed, also when there is room again.
const reopenEvery = 3

// tryStore looks whether the store can be written again. It is opened anew only
// while it cannot: another worker may have done so, and RocksDB can abort the
// process if the disk fills just while it opens.
func (w *worker) tryStore(ctx context.Context, now time.Time) error {
	if now.Before(w.resumeAt) {
		return nil
	}
	err := w.overlay.Maintain(now, true)
	if err != nil && w.suspendedTries%reopenEvery == 0 && !errors.Is(err, state.ErrCorrupt) {
		if rerr := w.backends.Store.Reopen(); errors.Is(rerr, state.ErrCorrupt) {
			err = rerr
		} else {
			err = w.overlay.Maintain(now, true)
		}
	}
	switch {
	case errors.Is(err, state.ErrCorrupt):
		return w.storeBroke(ctx, w.storeError(err))
	case err != nil:
		w.suspended = err
		w.suspendAgain(now)
		return nil
	}
	w.log.Info("the state store can be written again")
	w.suspended = nil
	w.publish()
	return nil
}

// storeBroke goes on after the store could not answer. Damaged data are thrown
// away as a whole, and the changelogs read from their beginning; after other
// errors the store is opened anew.
func (w *worker) storeBroke(ctx context.Context, err error) error {
	if errors.Is(err, state.ErrCorrupt) {
		w.log.Error("the state store is damaged; it is made anew from the changelogs", "error", err)
		if rerr := w.backends.Store.Recreate(w.epoch); rerr != nil {
			return fmt.Errorf("make the state store anew: %w", rerr)
		}
	} else if !errors.Is(err, state.ErrStale) {
		if rerr := w.backends.Store.Reopen(); rerr != nil {
			w.log.Error("open the state store again", "error", rerr)
		}
	}
	w.suspended = nil
	if epoch := w.backends.Store.Epoch(); epoch != w.epoch {
		w.epoch = epoch
		if verr := w.viewGlobals(); verr != nil {
			return verr
		}
	}
	return w.restart(ctx, err)
}
