package connector

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	// without Follow it counts as it is.
	Follow bool
	// MaxLine is the longest line accepted, in bytes without its end; 0 means
	// DefaultMaxLine.
	MaxLine int
	// Clock gives the records their timestamp, the time they were read.
	Clock Clock
	// Positions remembers, under the name ID, where to go on after a restart.
	// Without it the source starts at the first line and Commit keeps nothing.
	Positions *Positions
	ID        string
}

// File delivers the lines of a file: value is the line without its "\n" or
// "\r\n", an empty line is an empty value, the offset is the line's number
// counted from 0, the key is null.
//
// The file may grow; that it shrinks, or is another file than the one the
// position belongs to, is an error, because going on would skip lines or
// deliver others than those that were asked for.
//
// All methods but Ready belong to one goroutine.
type File struct {
	cfg   FileConfig
	file  *os.File
	lines lines
	watch *watcher // nil unless Follow

	line    int64 // number of the next line
	byte    int64 // where it begins
	read    int64 // how far the file was read
	resumed bool  // the line before byte was delivered without a newline
	eof     bool

	// ends are the ends of the lines delivered and not committed yet; the first
	// belongs to line number committed.
	ends      []int64
	committed int64
	head      Sum
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
	if err := f.resume(); err != nil {
		file.Close()
		return nil, err
	}
	if cfg.Follow {
		f.watch = watch(cfg.Path, cfg.Clock)
	}
	return f, nil
}

func (f *File) resume() error {
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
	p, ok := f.cfg.Positions.Get(f.cfg.ID)
	if !ok {
		return nil
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
	if _, err := f.file.Seek(p.Byte, io.SeekStart); err != nil {
		return fmt.Errorf("file %s: %w", f.cfg.Path, err)
	}
	f.line, f.committed, f.byte, f.read, f.head = p.Line, p.Line, p.Byte, p.Byte, p.Head
	return nil
}

// Poll empties b and fills it with at most maxRecords lines and about
// maxBytes bytes; one longer line still comes. It does not wait for the file
// to grow. eof says that there will be nothing more; it may come together
// with the last lines. An error concerns what follows the lines already
// delivered, and stays.
func (f *File) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	out := newBatch(b, f.cfg.Topic, f.line, f.cfg.Clock.Now().UnixMilli())
	for !f.eof && !out.full(maxRecords, maxBytes) {
		line, size, ok, lerr := f.next()
		if lerr != nil {
			err = f.at(lerr)
			break
		}
		if !ok {
			break
		}
		out.add(line)
		f.line++
		f.byte += int64(size)
		f.ends = append(f.ends, f.byte)
	}
	if out.finish() > 0 {
		err = nil // it comes again at the next call
	}
	return f.eof, err
}

// next returns the next line, or ok false when there is none (yet).
func (f *File) next() (line []byte, size int, ok bool, err error) {
	for {
		if f.resumed {
			if err := f.skipEnd(); err != nil {
				return nil, 0, false, err
			}
		}
		if !f.resumed {
			line, size, ok, err = f.lines.next()
			if ok || err != nil {
				return line, size, ok, err
			}
		}
		n, err := f.file.Read(f.lines.room())
		f.lines.filled(n)
		f.read += int64(n)
		if n > 0 {
			continue
		}
		if err != nil && err != io.EOF {
			return nil, 0, false, err
		}
		return f.atEnd()
	}
}

// atEnd decides what the end of the file means.
func (f *File) atEnd() (line []byte, size int, ok bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return nil, 0, false, err
	}
	if info.Size() < f.read {
		return nil, 0, false, fmt.Errorf("the file shrank from at least %d bytes to %d while it was read; lines may be lost", f.read, info.Size())
	}
	if f.cfg.Follow {
		// What was appended before the replacement has been read by now.
		if now, err := os.Stat(f.cfg.Path); err != nil || !os.SameFile(now, info) {
			return nil, 0, false, errors.New("the file was replaced or removed while it was followed; its lines up to here are delivered")
		}
		f.watch.wait(seen{f.read, info})
		return nil, 0, false, nil
	}
	if f.resumed && len(f.lines.pending()) > 0 { // a "\r" and nothing else
		return nil, 0, false, errContinued
	}
	line, size, ok, err = f.lines.last()
	f.eof = err == nil
	return line, size, ok, err
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
	if errors.Is(err, errLongLine) {
		return fmt.Errorf("%s:%d: the line is longer than %d bytes", f.cfg.Path, f.line+1, f.lines.max)
	}
	return fmt.Errorf("%s:%d: %w", f.cfg.Path, f.line+1, err)
}

// Ready delivers when Poll, having returned an empty batch, may have
// something.
func (f *File) Ready() <-chan struct{} {
	if f.watch == nil {
		return nil // Poll always has the next line or the end
	}
	return f.watch.ready
}

// Commit stores offset, the number of the first line not done yet, as the
// position to start from next time, durably. It must not exceed the lines
// delivered nor go back.
func (f *File) Commit(offset int64) error {
	n := offset - f.committed
	if n < 0 || n > int64(len(f.ends)) {
		return fmt.Errorf("commit line %d of %s: only %d to %d can be committed", offset, f.cfg.Path, f.committed, f.committed+int64(len(f.ends)))
	}
	if n == 0 {
		return nil
	}
	p := Position{Line: offset, Byte: f.ends[n-1]}
	if f.cfg.Positions != nil {
		if err := f.head.verify(f.file, 0); err != nil {
			return fmt.Errorf("file %s: %w", f.cfg.Path, err)
		}
		if err := p.sum(f.file); err != nil {
			return fmt.Errorf("file %s: %w", f.cfg.Path, err)
		}
		if err := f.cfg.Positions.Set(f.cfg.ID, p); err != nil {
			return err
		}
		f.head = p.Head
	}
	f.committed = offset
	f.ends = f.ends[:copy(f.ends, f.ends[n:])]
	return nil
}

// Close releases the file. It stores nothing.
func (f *File) Close() error {
	if f.watch != nil {
		f.watch.close()
	}
	return f.file.Close()
}
