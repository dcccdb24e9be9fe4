package state

import (
	"errors"
	"log/slog"
	"time"
)

// Draft of the public API: signatures are final, bodies come in the next
// commits and until then answer errDraft.
var errDraft = errors.New("state: not built yet")

var (
	ErrCorrupt  = errors.New("damaged data")
	ErrReadOnly = errors.New("read-only cache")
	ErrTooLarge = errors.New("entry too large")
	ErrAttached = errors.New("partition is attached")
	ErrDetached = errors.New("partition is not attached any more")
	ErrStale    = errors.New("store was made anew")
	ErrClosed   = errors.New("store is closed")
)

type Config struct {
	App         string
	Caches      []Cache
	RecordCache int64
	FlushBytes  int64
	FlushEvery  time.Duration
	StaleAfter  time.Duration
	Now         func() time.Time
	Log         *slog.Logger
}

func Families(caches []Cache) []string                 { return nil }
func Open(e Engine, c Config) (*Store, error)          { return nil, errDraft }
func (s *Store) Overlay() *Overlay                     { return nil }
func (s *Store) Wipe(cache int, partition int32) error { return errDraft }
func (s *Store) Epoch() uint64                         { return 0 }
func (s *Store) Recreate(seen uint64) error            { return errDraft }
func (s *Store) Reopen() error                         { return errDraft }
func (s *Store) Load() *Load                           { return nil }
func (s *Store) Global(cache int) *GlobalReader        { return nil }
func (s *Store) Close() error                          { return errDraft }
func (s *Store) Position(cache int, partition int32) (Position, bool, error) {
	return Position{}, false, errDraft
}

type Load struct{}

func (l *Load) Put(cache int, partition int32, key, value []byte)  {}
func (l *Load) SetPosition(cache int, partition int32, p Position) {}
func (l *Load) Bytes() int                                         { return 0 }
func (l *Load) Write() error                                       { return errDraft }

type GlobalReader struct{}

func (g *GlobalReader) Get(key, dst []byte) ([]byte, bool, error) { return dst, false, errDraft }
func (g *GlobalReader) Page(from, to []byte, reverse bool, page *Page) (bool, error) {
	return false, errDraft
}

type Overlay struct{}

func (o *Overlay) Attach(cache int, partition int32) (*Partition, error)       { return nil, errDraft }
func (o *Overlay) Detach(p *Partition)                                         {}
func (o *Overlay) SetTime(ms int64)                                            {}
func (o *Overlay) Use(journal int)                                             {}
func (o *Overlay) Mark() int                                                   { return 0 }
func (o *Overlay) Undo(journal, mark int)                                      {}
func (o *Overlay) Forget()                                                     {}
func (o *Overlay) Staged() int64                                               { return 0 }
func (o *Overlay) JournalBytes() int64                                         { return 0 }
func (o *Overlay) BytesSince(mark int) int64                                   { return 0 }
func (o *Overlay) Changes(f func(p *Partition, key, value []byte) error) error { return errDraft }
func (o *Overlay) Commit()                                                     {}
func (o *Overlay) Rollback()                                                   {}
func (o *Overlay) Sweep(p *Partition, streamTime int64, max int) (int, error)  { return 0, errDraft }
func (o *Overlay) Maintain(now time.Time, force bool) error                    { return errDraft }
func (o *Overlay) Unwritten() int64                                            { return 0 }
func (o *Overlay) Close() error                                                { return errDraft }
func (o *Overlay) Hits() (hits, misses uint64)                                 { return 0, 0 }

type Partition struct{}

func (p *Partition) Cache() int                                        { return 0 }
func (p *Partition) Partition() int32                                  { return 0 }
func (p *Partition) Position() Position                                { return Position{} }
func (p *Partition) SetPosition(Position)                              {}
func (p *Partition) Get(key, dst []byte) ([]byte, bool, error)         { return dst, false, errDraft }
func (p *Partition) Put(key, value []byte) error                       { return errDraft }
func (p *Partition) Delete(key []byte) error                           { return errDraft }
func (p *Partition) DeleteRange(from, to []byte, maxBytes int64) error { return errDraft }
func (p *Partition) Page(from, to []byte, reverse bool, page *Page) (bool, error) {
	return false, errDraft
}

// Memory is the in-memory engine.
type Store struct{}

type Memory struct{}

func NewMemory() *Memory                                                { return &Memory{} }
func (m *Memory) Get(family int, key, dst []byte) ([]byte, bool, error) { return dst, false, errDraft }
func (m *Memory) Page(family int, from, to []byte, reverse bool, p *Page) (bool, error) {
	return false, errDraft
}
func (m *Memory) Write(b *Batch) error { return errDraft }
func (m *Memory) Reopen() error        { return errDraft }
func (m *Memory) Recreate() error      { return errDraft }
func (m *Memory) Close() error         { return errDraft }
