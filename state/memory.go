package state

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/tidwall/btree"
)

// Memory is an Engine whose disk is memory, for tests and simulations. What
// Restart returns sees what was written, as after the process was killed.
type Memory struct {
	disk *disk
	mu   sync.Mutex
	hook func(Call) error
	// calls counts by operation.
	calls  map[Call]int
	closed bool
}

type disk struct {
	mu       sync.RWMutex
	families map[int]*btree.BTreeG[pair]
}

type pair struct{ key, value []byte }

// Call names a method of an Engine.
type Call string

// The calls that a Memory counts and can fail.
const (
	CallGet      Call = "get"
	CallPage     Call = "page"
	CallWrite    Call = "write"
	CallReopen   Call = "reopen"
	CallRecreate Call = "recreate"
	CallClose    Call = "close"
)

// NewMemory returns an empty engine.
func NewMemory() *Memory {
	return &Memory{disk: &disk{families: map[int]*btree.BTreeG[pair]{}}, calls: map[Call]int{}}
}

// Hook makes every call ask f first, on the caller's goroutine and without a
// lock: an error is the call's answer, and nothing else happens. f may wait.
// nil takes the hook away.
func (m *Memory) Hook(f func(Call) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// Calls returns how often an operation was called, failed calls included.
func (m *Memory) Calls(op Call) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[op]
}

// Restart returns a new engine over the same data. The old one answers
// ErrClosed from now on.
func (m *Memory) Restart() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return &Memory{disk: m.disk, calls: map[Call]int{}}
}

// Clone returns a new engine over a copy of the data: the disk as a kill at
// this moment leaves it.
func (m *Memory) Clone() *Memory {
	m.disk.mu.Lock() // Copy changes the original too
	defer m.disk.mu.Unlock()
	c := NewMemory()
	for f, t := range m.disk.families {
		c.disk.families[f] = t.Copy()
	}
	return c
}

func (m *Memory) called(op Call) error {
	m.mu.Lock()
	m.calls[op]++
	hook, closed := m.hook, m.closed
	m.mu.Unlock()
	if closed {
		return fmt.Errorf("%s: %w", op, ErrClosed)
	}
	if hook != nil {
		return hook(op)
	}
	return nil
}

// Get is Engine.Get.
func (m *Memory) Get(family int, key, dst []byte) ([]byte, bool, error) {
	if err := m.called(CallGet); err != nil {
		return dst, false, err
	}
	m.disk.mu.RLock()
	defer m.disk.mu.RUnlock()
	t := m.disk.families[family]
	if t == nil {
		return dst, false, nil
	}
	p, ok := t.Get(pair{key: key})
	if !ok {
		return dst, false, nil
	}
	return append(dst, p.value...), true, nil
}

// Page is Engine.Page.
func (m *Memory) Page(family int, from, to []byte, reverse bool, p *Page) (bool, error) {
	if err := m.called(CallPage); err != nil {
		return false, err
	}
	m.disk.mu.RLock()
	defer m.disk.mu.RUnlock()
	t := m.disk.families[family]
	if t == nil {
		return false, nil
	}
	more := false
	visit := func(e pair) bool {
		if reverse && bytes.Compare(e.key, from) < 0 || !reverse && to != nil && bytes.Compare(e.key, to) >= 0 {
			return false
		}
		if reverse && to != nil && bytes.Equal(e.key, to) {
			return true
		}
		if !p.fits(len(e.key) + len(e.value)) {
			more = true
			return false
		}
		p.Add(e.key, e.value)
		return true
	}
	switch {
	case !reverse:
		t.Ascend(pair{key: from}, visit)
	case to != nil:
		t.Descend(pair{key: to}, visit)
	default:
		t.Reverse(visit)
	}
	return more, nil
}

// Write is Engine.Write.
func (m *Memory) Write(b *Batch) error {
	if err := m.called(CallWrite); err != nil {
		return err
	}
	if err := b.Each(func(int, uint32, []byte, []byte) error { return nil }); err != nil {
		return err
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	return b.Each(m.disk.apply)
}

func (d *disk) apply(family int, op uint32, key, value []byte) error {
	t := d.families[family]
	if t == nil {
		t = btree.NewBTreeGOptions(func(a, b pair) bool { return bytes.Compare(a.key, b.key) < 0 }, btree.Options{NoLocks: true})
		d.families[family] = t
	}
	switch op {
	case OpPut:
		t.Set(pair{bytes.Clone(key), bytes.Clone(value)})
	case OpDelete:
		t.Delete(pair{key: key})
	case OpDeleteRange:
		var gone []pair
		t.Ascend(pair{key: key}, func(e pair) bool {
			if bytes.Compare(e.key, value) >= 0 {
				return false
			}
			gone = append(gone, e)
			return true
		})
		for _, e := range gone {
			t.Delete(e)
		}
	}
	return nil
}

// Reopen is Engine.Reopen.
func (m *Memory) Reopen() error { return m.called(CallReopen) }

// Recreate is Engine.Recreate.
func (m *Memory) Recreate() error {
	if err := m.called(CallRecreate); err != nil {
		return err
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.disk.families = map[int]*btree.BTreeG[pair]{}
	return nil
}

// Close is Engine.Close.
func (m *Memory) Close() error {
	if err := m.called(CallClose); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
