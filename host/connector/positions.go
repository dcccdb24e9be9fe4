package connector

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Position says how far a file has been read, and what of it was read, so
// that another file in its place is noticed.
type Position struct {
	// Line is the number of lines before the position, Byte of bytes.
	Line int64 `json:"line"`
	Byte int64 `json:"byte"`
	// First is the number of the first of these that is in the file there is now:
	// others were in files that had its path before.
	First int64 `json:"first,omitempty"`
	// Head and Tail are sums over the first and the last bytes before the
	// position, up to 4096 each. They do not depend on what is appended later
	// nor on where the file is stored, so a file restored from a copy is
	// recognised.
	Head Sum `json:"head"`
	Tail Sum `json:"tail"`
}

// Sum is the SHA-256 of a piece of a file.
type Sum struct {
	Len    int    `json:"len"`
	SHA256 string `json:"sha256"`
}

const sumLen = 4096

var errRewritten = errors.New("its content before the position was changed")

func sumAt(r io.ReaderAt, off int64, n int) (Sum, error) {
	b := make([]byte, n)
	if _, err := r.ReadAt(b, off); err != nil && !(err == io.EOF && n == 0) {
		if err == io.EOF {
			return Sum{}, errRewritten
		}
		return Sum{}, err
	}
	h := sha256.Sum256(b)
	return Sum{n, hex.EncodeToString(h[:])}, nil
}

// verify compares with what is at off now.
func (s Sum) verify(r io.ReaderAt, off int64) error {
	if s.Len == 0 {
		return nil
	}
	now, err := sumAt(r, off, s.Len)
	if err == nil && now != s {
		err = errRewritten
	}
	return err
}

// sum fills in the sums of p.
func (p *Position) sum(r io.ReaderAt) (err error) {
	n := int(min(p.Byte, sumLen))
	if p.Head, err = sumAt(r, 0, n); err != nil {
		return err
	}
	p.Tail, err = sumAt(r, p.Byte-int64(n), n)
	return err
}

// check reports whether p is a position in the file r of the given size.
func (p *Position) check(r io.ReaderAt, size int64) error {
	const advice = "put the file back; to read every file from the start, delete positions.json in the state directory, or, where topics are used, run `sliphost reset`"
	if size < p.Byte {
		return fmt.Errorf("it has %d bytes, but %d bytes (%d lines) of it were read before: it was truncated or replaced; %s", size, p.Byte, p.Line, advice)
	}
	err := p.Head.verify(r, 0)
	if err == nil {
		err = p.Tail.verify(r, p.Byte-int64(p.Tail.Len))
	}
	if errors.Is(err, errRewritten) {
		return fmt.Errorf("it is not the file of which %d lines were read before: %w; %s", p.Line, err, advice)
	}
	return err
}

func (p *Position) valid() bool {
	sums := p.Head.Len >= 0 && p.Head.Len <= sumLen && p.Tail.Len >= 0 && p.Tail.Len <= sumLen
	return sums && p.First >= 0 && p.Line >= p.First && p.Byte >= p.Line-p.First-1 && p.Byte >= int64(max(p.Head.Len, p.Tail.Len))
}

// text is the position as others keep it.
func (p *Position) text() ([]byte, error) { return json.Marshal(p) }

// parsePosition reads what text has made.
func parsePosition(b []byte) (Position, error) {
	var p Position
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("the stored position is damaged: %w", err)
	}
	if !p.valid() {
		return p, errors.New("the stored position contradicts itself")
	}
	return p, nil
}

// Positions is the file in the state directory that remembers how far file
// sources have been read. Every Set replaces it as a whole and is on disk
// when it returns, so a crash leaves the old content or the new.
//
// It is safe for concurrent use within one process; the state directory's
// lock keeps other processes away.
type Positions struct {
	path string
	mu   sync.Mutex
	m    map[string]Position
}

// positionsFile is the file's JSON form.
type positionsFile struct {
	Version int                 `json:"version"`
	Files   map[string]Position `json:"files"`
}

const positionsVersion = 1

// OpenPositions reads the file at path. That it does not exist means that
// nothing was read yet; its directory must exist.
func OpenPositions(path string) (*Positions, error) {
	p := &Positions{path: path, m: map[string]Position{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the positions of file sources: %w", err)
	}
	var f positionsFile
	dec := json.NewDecoder(bytes.NewReader(data))
	err = dec.Decode(&f)
	if err == nil && f.Version > positionsVersion {
		return nil, fmt.Errorf("%s has format %d, this version of sliphost knows %d: run the newer version again, or delete the file to read all file sources from the start", path, f.Version, positionsVersion)
	}
	if err == nil {
		if _, terr := dec.Token(); terr != io.EOF {
			err = errors.New("something follows the JSON object")
		}
	}
	if err == nil && f.Version != positionsVersion {
		err = fmt.Errorf("no valid version (%d)", f.Version)
	}
	for id, pos := range f.Files {
		if err == nil && !pos.valid() {
			err = fmt.Errorf("the position of %q contradicts itself", id)
		}
		p.m[id] = pos
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which holds the positions of file sources, is damaged: %w; restore it, or delete it to read all file sources from the start", path, err)
	}
	return p, nil
}

// Get returns the position stored under id.
func (p *Positions) Get(id string) (Position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pos, ok := p.m[id]
	return pos, ok
}

// Set stores a position and returns when it is on disk. After an error the
// file holds the old position or the new one, and Get answers the old one.
func (p *Positions) Set(id string, pos Position) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, had := p.m[id]
	if had && old == pos {
		return nil
	}
	p.m[id] = pos
	err := p.save()
	if err != nil {
		if delete(p.m, id); had {
			p.m[id] = old
		}
		return fmt.Errorf("store the positions of file sources: %w", err)
	}
	return nil
}

func (p *Positions) save() error {
	data, err := json.MarshalIndent(positionsFile{positionsVersion, p.m}, "", "  ")
	if err != nil {
		return err
	}
	temp := p.path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a crash
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, p.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(p.path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
