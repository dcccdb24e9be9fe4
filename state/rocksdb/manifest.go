package rocksdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// manifest is what there is of the manifest that CURRENT names.
type manifest struct {
	name string
	size int
}

// shorter says whether m is less of the same file than what was written down.
func (m manifest) shorter(noted string) bool {
	var was manifest
	n, _ := fmt.Sscan(noted, &was.name, &was.size)
	return n == 2 && was.name == m.name && m.size < was.size
}

func (m manifest) String() string { return fmt.Sprint(m.name, " ", m.size) }

// checkManifest reads the file that CURRENT names and says what is wrong with
// it, "" if nothing is. RocksDB takes a manifest that ends inside a record for
// one that was being written and goes on with the files named before it, which
// may be gone or old. Here that is damage: a kill leaves such an end next to
// never, and costs a restore then.
func checkManifest(dir string) (m manifest, fault string, err error) {
	current, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	if err != nil {
		return m, "", fmt.Errorf("reading the state: %w", err)
	}
	name, ended := strings.CutSuffix(string(current), "\n")
	if !ended || !strings.HasPrefix(name, "MANIFEST-") || !made.MatchString(name) {
		return m, "CURRENT is damaged", nil
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	m = manifest{name, len(data)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, name + " is missing", nil
	case err != nil:
		return m, "", fmt.Errorf("reading the state: %w", err)
	}
	if !logComplete(data) {
		return m, name + " is cut short", nil
	}
	return m, "", nil
}

// The format of RocksDB's logs: blocks of 32 KiB, in them fragments with a head
// of 7 bytes (checksum 4, length 2, kind 1). A fragment may stand alone or be
// the first, a middle or the last one of a record; less than a head at the end
// of a block is left unused.
const (
	logBlock = 32 << 10
	logHead  = 7

	logFull, logFirst, logMiddle, logLast = 1, 2, 3, 4
)

// logComplete says whether a log holds whole records from end to end, at least
// one. Checksums are RocksDB's business.
func logComplete(data []byte) bool {
	open, records := false, 0
	for at := 0; at < len(data); {
		left := logBlock - at%logBlock
		if left < logHead {
			at += left
			continue
		}
		if len(data)-at < logHead {
			return false
		}
		n, kind := int(binary.LittleEndian.Uint16(data[at+4:])), data[at+6]
		if n > left-logHead || n > len(data)-at-logHead {
			return false
		}
		switch kind {
		case logFull, logFirst:
			if open {
				return false
			}
			open = kind == logFirst
		case logMiddle, logLast:
			if !open {
				return false
			}
			open = kind == logMiddle
		default:
			return false
		}
		if !open {
			records++
		}
		at += logHead + n
	}
	return !open && records > 0
}
