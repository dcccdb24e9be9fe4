package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Kinds are the sources and sinks that a program brings itself, by the name that
// a manifest calls them: "x:NAME". It is read only once a host runs.
type Kinds struct {
	Sources map[string]OpenReader
	Sinks   map[string]OpenWriter
}

// Settings are what a manifest says about a source or sink.
type Settings struct {
	// Arg is what it is to read or write: what follows "x:NAME:", or the key arg.
	Arg string
	// Config is the table config of its [x.ID]; secrets are in it as text.
	Config map[string]string
	// Logger is the host's.
	Logger *slog.Logger
}

// OpenReader opens a source, OpenWriter a sink. They return early when ctx ends.
type (
	OpenReader func(ctx context.Context, s Settings) (Reader, error)
	OpenWriter func(ctx context.Context, s Settings) (Writer, error)
)

// Reader is a source.
type Reader interface {
	// Read hands every record to deliver, in order, and returns when there is
	// nothing more, when it cannot go on (which ends the host with its error), or
	// soon after ctx has ended. position is Record.Position of the last record
	// that has all its effects, of this run or an earlier one; nil begins at the
	// beginning. deliver copies what it is given and waits while the host has
	// enough to do; its error means that ctx has ended. Read is called once, on a
	// goroutine of its own.
	//
	// Behind the position there may be records without one that have their effects
	// as well: the host knows how many, and passes over them when they come again.
	// So what comes behind a position must be the same records in the same order
	// each time, up to the next position.
	Read(ctx context.Context, position []byte, deliver func(*Record) error) error
	// Committed says that the record with this position and all before it have
	// all their effects, and that these are final: what acknowledges to a server,
	// for instance, belongs here. It comes on another goroutine than Read. An error
	// ends the host.
	Committed(position []byte) error
	// Close comes when Read has returned and nothing else will be called.
	Close() error
}

// Writer is a sink; each of the host's workers opens one. It belongs to one
// goroutine.
type Writer interface {
	// Append stages one output and copies what it keeps.
	Append(r *Output) error
	// Flush returns when what was appended is where it belongs; a commit waits for
	// it. After an error the Writer is closed, another one opened, and everything
	// since the last commit comes again. An error about one record, which will
	// never be taken, has a method RecordIndex() int: its position among those
	// appended since the last Flush that returned nil. The handler's call that
	// emitted it has then failed, and its policy decides.
	Flush(ctx context.Context) error
	Close() error
}

// Record is what a Reader delivers.
type Record struct {
	// Key and Value are bytes in the form of the source's codec; nil is null.
	Key, Value []byte
	Headers    []Header
	// Time is the record's; the zero time means now.
	Time time.Time
	// Position is where to go on behind this record, in the reader's own form. It
	// is nil where a reader cannot begin, as in the middle of a page: the host then
	// goes on from the last position and passes over as many records as it has
	// had since. Records in front of the first position there ever was come again
	// after a restart, if the reader has them still. A source that cannot go back
	// at all, or not to the same records, gives none ever.
	Position []byte
}

// Header is a header of a record. A nil value is null.
type Header struct {
	Name  string
	Value []byte
}

// Custom is a Reader as a source of the host.
type Custom struct {
	*queue
	reader Reader
	clock  Clock
	cancel context.CancelFunc
	begin  chan []byte
	began  bool
	done   sync.WaitGroup

	bytes   sync.Mutex // guards what follows
	room    *sync.Cond
	held    int
	stopped bool
	// place is behind the last record committed, pass the number of records that
	// come again before others do.
	place place
	pass  uint64
}

// maxHeld bounds the bytes of records that wait or are not committed.
const maxHeld = 16 << 20

// OpenCustom makes a source of a reader. first is the offset of its first
// record.
func OpenCustom(r Reader, topic int32, first int64, clock Clock) *Custom {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Custom{queue: newQueue(topic, first), reader: r, clock: clock, cancel: cancel, begin: make(chan []byte, 1)}
	c.room = sync.NewCond(&c.bytes)
	c.done.Go(func() {
		select {
		case position := <-c.begin:
			err := r.Read(ctx, position, func(rec *Record) error { return c.deliver(ctx, rec) })
			if ctx.Err() != nil {
				err = nil
			}
			c.finish(err)
		case <-ctx.Done():
		}
	})
	return c
}

// Resume says where to begin. It comes before the first Poll.
func (c *Custom) Resume(position []byte) error {
	at, err := parsePlace(position)
	if err != nil {
		return err
	}
	c.began = true
	c.bytes.Lock()
	c.place, c.pass = at, at.behind
	c.bytes.Unlock()
	c.begin <- clone(at.position)
	return nil
}

// Poll is a source's. The first one begins to read.
func (c *Custom) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	if !c.began {
		_ = c.Resume(nil)
	}
	return c.queue.Poll(b, maxRecords, maxBytes)
}

func (c *Custom) deliver(ctx context.Context, r *Record) error {
	if c.again(r) {
		return ctx.Err()
	}
	size := len(r.Key) + len(r.Value) + len(r.Position) + 64
	c.bytes.Lock()
	for c.held > 0 && c.held+size > maxHeld && !c.stopped {
		c.room.Wait()
	}
	c.held += size
	c.bytes.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	at := r.Time
	if at.IsZero() {
		at = c.clock.Now()
	}
	p := packedRecord{key: clone(r.Key), value: clone(r.Value), timestamp: at.UnixMilli()}
	if len(r.Headers) > 0 {
		p.headers = abi.AppendArrayHeader(nil, len(r.Headers))
		for _, h := range r.Headers {
			p.headers = abi.AppendHeader(p.headers, h.Name, h.Value)
		}
	}
	position := clone(r.Position)
	c.put(&delivery{records: []packedRecord{p}, position: position, done: func(*delivery) {
		c.bytes.Lock()
		defer c.bytes.Unlock()
		c.held -= size
		c.room.Signal()
		c.place.add(position)
	}})
	return nil
}

// again says that a record has all its effects, from an earlier run.
func (c *Custom) again(r *Record) bool {
	c.bytes.Lock()
	defer c.bytes.Unlock()
	if c.pass == 0 {
		return false
	}
	c.pass--
	if r.Position != nil {
		c.place = place{clone(r.Position), c.pass}
	}
	return true
}

// clone copies bytes and keeps null apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// Commit says that all records before offset are final.
func (c *Custom) Commit(offset int64) error {
	_ = c.queue.Commit(offset)
	c.bytes.Lock()
	position := c.place.position
	c.bytes.Unlock()
	if err := c.reader.Committed(position); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// Position returns what to hand to Resume in order to go on behind the records
// before offset, nil if the reader has no such place.
func (c *Custom) Position(offset int64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Lock()
	at := c.place
	c.bytes.Unlock()
	for _, d := range c.taken {
		if d.first < offset {
			at.add(d.position)
		}
	}
	return at.text(), nil
}

// Close ends the reader.
func (c *Custom) Close() error {
	c.cancel()
	c.bytes.Lock()
	c.stopped = true
	c.room.Broadcast()
	c.bytes.Unlock()
	c.done.Wait()
	return c.reader.Close()
}

var errNoKind = errors.New("the program brings no connector of that kind")

// Reader opens a source, Writer a sink.
func (k *Kinds) Reader(ctx context.Context, kind string, s Settings) (Reader, error) {
	open := k.Sources[kind]
	if open == nil {
		return nil, fmt.Errorf("source %q: %w", kind, errNoKind)
	}
	return open(ctx, s)
}

// Writer opens a sink.
func (k *Kinds) Writer(ctx context.Context, kind string, s Settings) (Writer, error) {
	open := k.Sinks[kind]
	if open == nil {
		return nil, fmt.Errorf("sink %q: %w", kind, errNoKind)
	}
	return open(ctx, s)
}
