package host

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sliphost/sliphost/state"
)

// mending is what at-least-once needs where exactly-once has an abort: a
// changelog keeps the records it has taken, also when one beside them is
// refused and the calls that wrote them are taken back. So the committed
// entries of their keys are written behind them, before anything else is
// committed, and a restore finds what the cache holds.
//
// A worker that dies, or has to replace its clients, in between leaves such
// records behind. They are of calls that run again, here or elsewhere.
type mending struct {
	// sent says that changelogs have records of what is staged.
	sent bool
	// undone lists entries whose keys were sent.
	undone []undoneEntry
	page   state.Page
}

// undoneEntry is a committed entry; without a value the key has none.
type undoneEntry struct {
	p          *state.Partition
	key, value []byte
}

// takeBack rolls the overlay back and notes what has to be mended.
func (w *worker) takeBack() error {
	m := &w.mending
	sent := m.sent
	m.sent = false
	var err error
	if sent {
		// What was staged since is not in the changelogs, and mended in vain.
		err = w.overlay.Changes(func(p *state.Partition, key, _ []byte) error {
			m.undone = append(m.undone, undoneEntry{p: p, key: bytes.Clone(key)})
			return nil
		})
	}
	w.overlay.Rollback()
	w.stats.staged.Store(0)
	if sent && err == nil {
		err = w.lookUp()
	}
	if err != nil {
		m.undone = nil // without their values they would be deleted
	}
	return w.storeError(err)
}

// lookUp fills in the committed values of what is to be mended.
func (w *worker) lookUp() error {
	m := &w.mending
	for i := range m.undone {
		u := &m.undone[i]
		m.page.Reset()
		if _, err := u.p.Stored(u.key, append(u.key, 0), &m.page); err != nil {
			return err
		}
		if m.page.Len() > 0 {
			_, value := m.page.Entry(0)
			u.value = append([]byte{}, value...)
		}
	}
	return nil
}

// forget drops what is to be mended in a partition that is given up.
func (m *mending) forget(p *state.Partition) {
	kept := m.undone[:0]
	for _, u := range m.undone {
		if u.p != p {
			kept = append(kept, u)
		}
	}
	clear(m.undone[len(kept):])
	m.undone = kept
}

// mend writes what takeBack has noted and waits until the changelogs have it.
func (w *worker) mend(ctx context.Context) error {
	m := &w.mending
	if len(m.undone) == 0 {
		return nil
	}
	if w.consumer != nil && w.consumer.Lost() {
		m.undone = nil // somebody else may write there by now
		return nil
	}
	for _, u := range m.undone {
		out := w.changelogs[u.p.Cache()]
		out.append(u.p.Partition(), u.key, u.value, nil, -1)
		if w.run.careful {
			out.producer.sent = append(out.producer.sent, callKey{}) // nobody's
		}
	}
	if err := w.flush(ctx); err != nil {
		return fmt.Errorf("write committed entries behind those that were taken back: %w", err)
	}
	clear(m.undone)
	m.undone = m.undone[:0]
	return nil
}
