package rocksdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

const (
	markerName = "SLIPHOST"
	marker     = "state of sliphost, format "
	format     = 1
)

// made matches the names of RocksDB's files.
var made = regexp.MustCompile(`^(CURRENT|IDENTITY|LOCK|LOG|LOG\.old\.\d+|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|\d+\.(sst|log|blob|dbtmp))$`)

// place is a directory that belongs to this process.
type place struct {
	dir string
	// lock is the marker file with an exclusive lock, which ends with the
	// process.
	lock *os.File
	// unfit says why what is there cannot be opened, "" if it can.
	unfit string
	// manifest is what inspect found.
	manifest manifest
}

// claim makes a directory, if need be, and takes it for this process.
func claim(dir string) (*place, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(dir, markerName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		// Without the marker RocksDB's files are somebody's database.
		all, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("reading the state directory: %w", err)
		}
		for _, e := range all {
			if e.Name() != markerName {
				return nil, fmt.Errorf("%s: %w: there is %s, but not the file %s, with which a state directory begins: name an empty directory, or remove this one if nobody needs it", dir, ErrForeign, e.Name(), markerName)
			}
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the state directory for writing: %w", err)
	}
	p := &place{dir: dir, lock: f}
	if err := p.take(); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// take locks the directory and looks at what is there.
func (p *place) take() error {
	switch err := syscall.Flock(int(p.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("%s: %w by another sliphost%s: stop it first, or name another directory", p.dir, ErrInUse, holder(p.lock))
	case err != nil:
		return fmt.Errorf("%s: locking %s: %w", p.dir, markerName, err)
	}
	mark, err := io.ReadAll(io.LimitReader(p.lock, 256))
	if err != nil {
		return fmt.Errorf("%s: reading %s: %w", p.dir, markerName, err)
	}
	c, err := p.inspect()
	if err != nil {
		return err
	}
	found, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(mark), marker)))
	switch {
	case len(mark) == 0 && c.data == 0:
		return p.mark()
	case err != nil || !strings.HasPrefix(string(mark), marker):
		p.unfit = markerName + " is damaged"
	case found > format:
		return fmt.Errorf("%s: the state has format %d, this version of sliphost reads up to %d: start the newer version, or remove the directory to restore from the changelogs", p.dir, found, format)
	case found != format:
		p.unfit = fmt.Sprintf("it has format %d, this version reads %d", found, format)
	}
	return nil
}

// inspect lists the directory and finds damage that RocksDB would not notice,
// or not survive.
func (p *place) inspect() (content, error) {
	p.unfit, p.manifest = "", manifest{}
	c, err := p.list()
	if err != nil {
		return c, err
	}
	if !c.current {
		if c.data > 0 {
			p.unfit = "CURRENT is missing"
		}
		return c, nil
	}
	p.manifest, p.unfit, err = checkManifest(p.dir)
	for _, name := range c.names {
		if err != nil || p.unfit != "" {
			break
		}
		if strings.HasSuffix(name, ".sst") {
			p.unfit, err = checkTable(filepath.Join(p.dir, name))
		}
	}
	return c, err
}

func (p *place) mark() error {
	if err := p.lock.Truncate(0); err != nil {
		return fmt.Errorf("%s: writing %s: %w", p.dir, markerName, err)
	}
	if _, err := p.lock.WriteAt([]byte(marker+strconv.Itoa(format)+"\n"), 0); err != nil {
		return fmt.Errorf("%s: writing %s: %w", p.dir, markerName, err)
	}
	return nil
}

// content is what a directory of ours holds.
type content struct {
	current bool
	data    int // files with entries
	names   []string
}

// list reads the directory. Anything that neither RocksDB nor this package
// made is an error.
func (p *place) list() (c content, err error) {
	all, err := os.ReadDir(p.dir)
	if err != nil {
		return c, fmt.Errorf("reading the state directory: %w", err)
	}
	for _, e := range all {
		name := e.Name()
		switch {
		case name == markerName:
			continue
		case !made.MatchString(name) || !e.Type().IsRegular():
			return c, fmt.Errorf("%s: %w: %s is not from sliphost: move it away", p.dir, ErrForeign, name)
		case name == "CURRENT":
			c.current = true
		case strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".blob"):
			c.data++
		}
		c.names = append(c.names, name)
	}
	return c, nil
}

// wipe removes RocksDB's files, CURRENT first: if it is cut short, the next
// start finds a store to be made anew and no half one.
func (p *place) wipe() error {
	c, err := p.list()
	if err != nil {
		return err
	}
	for _, name := range append([]string{"CURRENT"}, c.names...) {
		if name == "LOCK" {
			continue // another program may hold it
		}
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the damaged state: %w", err)
		}
	}
	p.unfit, p.manifest = "", manifest{}
	return p.mark()
}

func (p *place) release() { p.lock.Close() }

// holder names the process that has f locked, if the system tells.
func holder(f *os.File) string {
	var st syscall.Stat_t
	if syscall.Fstat(int(f.Fd()), &st) != nil {
		return ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer locks.Close()
	// 1: FLOCK  ADVISORY  WRITE 8261 fe:01:524351 0 EOF
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) < 6 || w[1] != "FLOCK" || !strings.HasSuffix(w[5], ":"+strconv.FormatUint(st.Ino, 10)) {
			continue
		}
		if pid, err := strconv.Atoi(w[4]); err == nil && pid > 0 {
			return fmt.Sprintf(" (process %d)", pid)
		}
	}
	return ""
}
