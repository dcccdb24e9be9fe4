package connector

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// FileConfig says which file to read and how.
type FileConfig struct {
	// Path names a regular file. Anything else (a pipe, a terminal) can be
	// neither resumed nor followed and is refused: it can be piped into stdin.
	Path string
	// Topic is the topic number the records carry.
	Topic int32
	// Follow keeps the source open at the end of the file and delivers what is
	// appended later. A last line is then delivered once its newline is there;
	// without Follow it counts as it is. A quoted cell that is open at the end of
	// the file has ten seconds to be closed; then the first line of its row is a
	// row by itself.
	Follow bool
	// CheckHeader, if set, makes records of the rows of a CSV file, and is asked
	// about its first one.
	CheckHeader func(row []byte) error
	// MaxLine is the longest line accepted, in bytes without its end; 0 means
	// DefaultMaxLine.
	MaxLine int
	// Clock gives the records their timestamp, the time they were read.
	Clock Clock
	// Positions remembers, under the name ID, where to go on after a restart.
	// Without it the source starts at the first line unless Resume says otherwise.
	Positions *Positions
	ID        string
}

// File delivers the lines of a file: value is the line without its "\n" or
// "\r\n", an empty line is an empty value, the offset is the line's number
// counted from 0, the key is null. Of a CSV file it delivers rows: value is the
// header and the row, the offset the number of the row's first line. A row longer
// than MaxLine is a record all the same, one that the codec refuses.
//
// The file may grow. One that is followed may be replaced (renamed, and made
// anew at its path): what is left of the old one is delivered, its last line as
// it is, and then the new one, with offsets that go on. That a file shrinks, or
// is another one at the start than the position belongs to, is an error, because
// going on would skip lines or deliver others than those that were asked for.
//
// All methods but Ready belong to one goroutine.
type File struct {
	cfg   FileConfig
	file  *os.File
	lines lines
	rows  *rows    // nil unless CSV
	watch *watcher // nil unless Follow

	first   int64 // offset of the file's first line: those of earlier files at the path
	line    int64 // offset of the next line
	byte    int64 // where it begins
	read    int64 // how far the file was read
	resumed bool  // the line before byte was delivered without a newline
	eof     bool

	// ends are the ends of the records delivered and not committed yet.
	ends      []lineEnd
	committed lineEnd
	head      Sum
}

// lineEnd is the place behind a record.
type lineEnd struct {
	offset int64    // the record's
	next   int64    // that of the line behind it
	byte   int64    // where that begins
	first  int64    // File.first
	file   *os.File // the file it is in
}

// OpenFile opens the source at the position stored for it, or at the start.
func OpenFile(cfg FileConfig) (*File, error) {
	l, err := newLines(cfg.MaxLine)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", cfg.Path, err)
	}
	file, err := os.Open(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	f := &File{cfg: cfg, file: file, lines: l}
	f.committed = lineEnd{offset: -1, file: file}
	if cfg.CheckHeader != nil {
		f.rows = &rows{}
	}
	if err := f.open(); err != nil {
		file.Close()
		return nil, err
	}
	if cfg.Follow {
		f.watch = watch(cfg.Path, cfg.Clock)
	}
	return f, nil
}

func (f *File) open() error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open source: %s is not a regular file; use source \"stdin\" and redirect it there", f.cfg.Path)
	}
	if f.cfg.Positions == nil {
		return nil
	}
	if p, ok := f.cfg.Positions.Get(f.cfg.ID); ok {
		return f.resume(p)
	}
	return nil
}

// resume goes on at a position. Nothing was delivered yet.
func (f *File) resume(p Position) error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	if err := p.check(f.file, info.Size()); err != nil {
		return fmt.Errorf("file %s: %w", f.cfg.Path, err)
	}
	if p.Byte > 0 {
		var before [1]byte
		if _, err := f.file.ReadAt(before[:], p.Byte-1); err != nil {
			return fmt.Errorf("file %s: %w", f.cfg.Path, err)
		}
		f.resumed = before[0] != '\n'
	}
	if f.rows != nil && p.Byte > 0 {
		if err := f.readHeader(p.Byte); err != nil {
			return fmt.Errorf("file %s: %w", f.cfg.Path, err)
		}
	}
	if _, err := f.file.Seek(p.Byte, io.SeekStart); err != nil {
		return fmt.Errorf("file %s: %w", f.cfg.Path, err)
	}
	f.first, f.line, f.byte, f.read, f.head = p.First, p.Line, p.Byte, p.Byte, p.Head
	f.committed = lineEnd{offset: p.Line - 1, next: p.Line, byte: p.Byte, first: p.First, file: f.file}
	return nil
}

// readHeader reads the header of a file that is resumed behind it.
func (f *File) readHeader(before int64) error {
	l, err := newLines(f.cfg.MaxLine)
	if err != nil {
		return err
	}
	r := io.NewSectionReader(f.file, 0, before)
	for {
		n, err := r.Read(l.room())
		l.filled(n)
		for ok := true; ok; {
			var row []byte
			var rerr error
			if row, _, _, ok, rerr = f.rows.next(&l, err == io.EOF); ok {
				_, _, rerr = f.rows.take(row, f.cfg.CheckHeader)
			}
			if f.rows.header != nil || rerr != nil {
				return rerr
			}
		}
		if err != nil {
			return errors.Join(errNoHeader, err)
		}
	}
}

// Poll empties b and fills it with at most maxRecords records and about
// maxBytes bytes; one longer line still comes. It does not wait for the file
// to grow. eof says that there will be nothing more; it may come together
// with the last lines. An error concerns what follows the lines already
// delivered, and stays.
func (f *File) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	out := newBatch(b, f.cfg.Topic, f.line, f.cfg.Clock.Now().UnixMilli())
	for !f.eof && !out.full(maxRecords, maxBytes) {
		value, size, count, ok, lerr := f.next()
		if ok && f.rows != nil {
			value, ok, lerr = f.rows.take(value, f.cfg.CheckHeader)
			if !ok && lerr == nil {
				f.line += int64(count)
				f.byte += int64(size)
				continue
			}
		}
		if lerr != nil {
			err = f.at(lerr)
			break
		}
		if !ok {
			break
		}
		out.addAt(f.line, value)
		end := lineEnd{offset: f.line, next: f.line + int64(count), byte: f.byte + int64(size), first: f.first, file: f.file}
		f.ends = append(f.ends, end)
		f.line, f.byte = end.next, end.byte
	}
	if out.finish() > 0 {
		err = nil // it comes again at the next call
	}
	return f.eof, err
}

// next returns the next line or row, or ok false when there is none (yet).
func (f *File) next() (value []byte, size, count int, ok bool, err error) {
	for {
		if f.resumed {
			if err := f.skipEnd(); err != nil {
				return nil, 0, 0, false, err
			}
		}
		if !f.resumed {
			if value, size, count, ok, err = f.cut(false); ok || err != nil {
				return value, size, count, ok, err
			}
		}
		n, err := f.file.Read(f.lines.room())
		f.lines.filled(n)
		f.read += int64(n)
		if n > 0 {
			continue
		}
		if err != nil && err != io.EOF {
			return nil, 0, 0, false, err
		}
		value, size, count, ok, again, err := f.atEnd()
		if !again || err != nil {
			return value, size, count, ok, err
		}
	}
}

// cut takes the next line or row off what was read; end says that nothing
// follows that.
func (f *File) cut(end bool) (value []byte, size, count int, ok bool, err error) {
	if f.rows != nil {
		return f.rows.next(&f.lines, end)
	}
	if value, size, ok, err = f.lines.next(); !ok && err == nil && end {
		value, size, ok, err = f.lines.last()
	}
	return value, size, 1, ok, err
}

// atEnd decides what the end of the file means; again says that there is
// another file to read.
func (f *File) atEnd() (value []byte, size, count int, ok, again bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return nil, 0, 0, false, false, err
	}
	if info.Size() < f.read {
		return nil, 0, 0, false, false, fmt.Errorf("the file shrank from at least %d bytes to %d while it was read; lines may be lost", f.read, info.Size())
	}
	if f.cfg.Follow {
		now, serr := os.Stat(f.cfg.Path)
		if serr == nil && os.SameFile(now, info) || errors.Is(serr, os.ErrNotExist) {
			var until time.Time
			if f.rows != nil && f.rows.open() {
				if at := f.cfg.Clock.Now(); f.rows.since.IsZero() {
					f.rows.since = at
				} else if at.Sub(f.rows.since) >= openWait {
					return nil, 0, 0, false, true, f.firstLine()
				}
				until = f.rows.since.Add(openWait)
			}
			// Not there: its successor may be about to come.
			f.watch.wait(seen{f.read, info, serr != nil, f.file, until})
			return nil, 0, 0, false, false, nil
		}
		if serr != nil {
			return nil, 0, 0, false, false, serr
		}
	}
	if f.resumed && len(f.lines.pending()) > 0 { // a "\r" and nothing else
		return nil, 0, 0, false, false, errContinued
	}
	f.resumed = false
	if f.rows != nil && f.rows.open() {
		return nil, 0, 0, false, true, f.firstLine()
	}
	value, size, count, ok, err = f.cut(true)
	if ok || err != nil {
		if f.eof = err == nil && !f.cfg.Follow && len(f.lines.pending()) == 0; f.eof && f.rows != nil {
			f.eof = false // the last one may be the header, or blank
		}
		return value, size, count, ok, false, err
	}
	if !f.cfg.Follow {
		if f.rows != nil && f.rows.header == nil {
			return nil, 0, 0, false, false, errNoHeader
		}
		f.eof = true
		return nil, 0, 0, false, false, nil
	}
	return nil, 0, 0, false, true, f.succeed()
}

// firstLine makes a row of the first line of the one that is being read, whose
// cell nobody closes.
func (f *File) firstLine() error {
	if f.rows.dropped > 0 { // that line may be gone
		if _, err := f.file.Seek(f.byte, io.SeekStart); err != nil {
			return err
		}
		f.lines.cut(len(f.lines.pending()))
		f.read = f.byte
	}
	f.rows.again()
	return nil
}

// succeed goes on with the file that is at the path now. Something may have been
// appended to the old one since it was read: that is read first.
func (f *File) succeed() error {
	if n, err := f.file.Read(f.lines.room()); n > 0 {
		f.lines.filled(n)
		f.read += int64(n)
		return nil
	} else if err != nil && err != io.EOF {
		return err
	}
	file, err := os.Open(f.cfg.Path)
	if err != nil {
		return err
	}
	if f.committed.file != f.file && !f.uses(f.file) {
		_ = f.file.Close() // it was only read
	}
	f.file = file
	f.first, f.byte, f.read = f.line, 0, 0
	if f.rows != nil {
		f.rows.header = nil
	}
	return nil
}

// uses says whether records of a file are not committed yet.
func (f *File) uses(file *os.File) bool {
	for i := range f.ends {
		if f.ends[i].file == file {
			return true
		}
	}
	return false
}

var errContinued = errors.New("the last line was delivered when it had no newline yet, and has been continued since; end every line with a newline before the file is read")

// skipEnd drops the newline that was missing when the line before it was
// delivered.
func (f *File) skipEnd() error {
	p := f.lines.pending()
	n := 0
	if len(p) > n && p[n] == '\r' {
		n++
	}
	if len(p) == n {
		return nil // not there yet
	}
	if p[n] != '\n' {
		return errContinued
	}
	f.lines.cut(n + 1)
	f.byte += int64(n + 1)
	f.resumed = false
	return nil
}

func (f *File) at(err error) error {
	n := f.line - f.first + 1
	if errors.Is(err, errLongLine) {
		return fmt.Errorf("%s:%d: the line is longer than %d bytes", f.cfg.Path, n, f.lines.max)
	}
	return fmt.Errorf("%s:%d: %w", f.cfg.Path, n, err)
}

// Ready delivers when Poll, having returned an empty batch, may have
// something.
func (f *File) Ready() <-chan struct{} {
	if f.watch == nil {
		return nil // Poll always has the next line or the end
	}
	return f.watch.ready
}

// Place is the file and the line of a record that is not committed yet.
func (f *File) Place(offset int64) string {
	first := f.first
	for i := range f.ends {
		if f.ends[i].offset == offset {
			first = f.ends[i].first
		}
	}
	return fmt.Sprintf("%s:%d", f.cfg.Path, offset-first+1)
}

// done returns the end of the last record before offset and the number of
// records up to there.
func (f *File) done(offset int64) (end lineEnd, n int, err error) {
	end = f.committed
	for n < len(f.ends) && f.ends[n].offset < offset {
		end = f.ends[n]
		n++
	}
	if offset != end.offset+1 && offset != end.next {
		return end, 0, fmt.Errorf("commit line %d of %s: no record ends there; %d are not committed, the first behind line %d", offset, f.cfg.Path, len(f.ends), f.committed.offset)
	}
	return end, n, nil
}

// position describes an end.
func (f *File) position(end lineEnd) (Position, error) {
	p := Position{Line: end.next, Byte: end.byte, First: end.first}
	if end.file == f.committed.file {
		if err := f.head.verify(end.file, 0); err != nil {
			return p, fmt.Errorf("file %s: %w", f.cfg.Path, err)
		}
	}
	if err := p.sum(end.file); err != nil {
		return p, fmt.Errorf("file %s: %w", f.cfg.Path, err)
	}
	return p, nil
}

// Commit stores offset, one more than that of the last record that is done, as
// the position to start from next time, durably. It must not exceed the
// records delivered nor go back.
func (f *File) Commit(offset int64) error {
	end, n, err := f.done(offset)
	if err != nil || n == 0 {
		return err
	}
	p, err := f.position(end)
	if err != nil {
		return err
	}
	if f.cfg.Positions != nil {
		if err := f.cfg.Positions.Set(f.cfg.ID, p); err != nil {
			return err
		}
	}
	f.head = p.Head
	old := f.committed.file
	f.committed = end
	f.ends = f.ends[:copy(f.ends, f.ends[n:])]
	if old != end.file && old != f.file {
		_ = old.Close() // it was only read
	}
	return nil
}

// Close releases the file. It stores nothing.
func (f *File) Close() error {
	if f.watch != nil {
		f.watch.close()
	}
	open := map[*os.File]bool{f.file: true, f.committed.file: true}
	for i := range f.ends {
		open[f.ends[i].file] = true
	}
	var errs []error
	for file := range open {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

// Position returns what to hand to Resume in order to go on behind the records
// before offset.
func (f *File) Position(offset int64) ([]byte, error) {
	end, _, err := f.done(offset)
	if err != nil {
		return nil, err
	}
	p, err := f.position(end)
	if err != nil {
		return nil, err
	}
	return p.text()
}

// Resume goes on at a position. It comes before the first Poll.
func (f *File) Resume(position []byte) error {
	p, err := parsePosition(position)
	if err != nil {
		return fmt.Errorf("file %s: %w", f.cfg.Path, err)
	}
	return f.resume(p)
}
