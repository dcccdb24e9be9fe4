package rocksdb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// RocksDB verifies the checksum of every block of a table before it looks at
// it, but for one: the properties, which it parses first, and Debian's build
// has assertions that end the process there. The footer has no checksum at all;
// another version in it makes good blocks look like others. So both are checked
// here before RocksDB sees them.
//
// The end of a table: blocks, each followed by a kind (1 byte) and a checksum
// (4); a footer of 53 bytes: checksum kind (1), places of the block of meta
// blocks and of the index as varints, zeros, version (4), magic number (8).
const (
	footerLen    = 53
	footerEnd    = 12 // version and magic number
	tableMagic   = 0x88e241b785f4cff7
	tableVersion = 5
	checksumKind = 1 // CRC-32C
	trailerLen   = 5

	// maxTail is more than the checked blocks take.
	maxTail = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkTable says what is wrong with the end of a table, "" if nothing is. A
// file without the magic number at its end is left to RocksDB, which refuses it
// if it needs it: it may be one that was being written when the process ended.
func checkTable(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the state: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("reading the state: %w", err)
	}
	fault, err := checkTail(f, st.Size())
	if err != nil {
		return "", fmt.Errorf("reading the state: %w", err)
	}
	if fault != "" {
		return st.Name() + " is damaged: " + fault, nil
	}
	return "", nil
}

func checkTail(f io.ReaderAt, size int64) (fault string, err error) {
	if size < footerLen {
		return "", nil
	}
	var footer [footerLen]byte
	if _, err := f.ReadAt(footer[:], size-footerLen); err != nil {
		return "", err
	}
	end := footer[footerLen-footerEnd:]
	if binary.LittleEndian.Uint64(end[4:]) != tableMagic {
		return "", nil
	}
	if v := binary.LittleEndian.Uint32(end); v != tableVersion || footer[0] != checksumKind {
		return "the footer", nil
	}
	places := footer[1 : footerLen-footerEnd]
	at, n, rest, ok := extent(places)
	if !ok {
		return "the footer", nil
	}
	if _, _, rest, ok = extent(rest); !ok {
		return "the footer", nil
	}
	for _, c := range rest {
		if c != 0 {
			return "the footer", nil
		}
	}
	metas, ok, err := readBlock(f, size, at, n)
	if !ok || err != nil {
		return "the list of meta blocks", err
	}
	at, n, ok = findBlock(metas, "rocksdb.properties")
	if !ok {
		return "no properties", nil
	}
	if _, ok, err = readBlock(f, size, at, n); !ok || err != nil {
		return "the properties", err
	}
	return "", nil
}

// readBlock returns a block of n bytes if its checksum fits.
func readBlock(f io.ReaderAt, size int64, at, n uint64) (block []byte, ok bool, err error) {
	if n > maxTail || at > uint64(size) || at+n+trailerLen > uint64(size) {
		return nil, false, nil
	}
	buf := make([]byte, n+trailerLen)
	if _, err := f.ReadAt(buf, int64(at)); err != nil {
		return nil, false, err
	}
	sum := crc32.Checksum(buf[:n+1], castagnoli)
	// Stored rotated and shifted, so that sums of sums are no sums.
	sum = (sum>>15 | sum<<17) + 0xa282ead8
	return buf[:n], binary.LittleEndian.Uint32(buf[n+1:]) == sum, nil
}

// findBlock looks a name up in a block of places: entries of shared, own and
// value length as varints, then the own part of the key and the value; at the
// end restart points (4 bytes each) and their number.
func findBlock(block []byte, name string) (at, n uint64, ok bool) {
	if len(block) < 4 {
		return 0, 0, false
	}
	restarts := uint64(binary.LittleEndian.Uint32(block[len(block)-4:]))
	if restarts > uint64(len(block)-4)/4 {
		return 0, 0, false
	}
	block = block[:len(block)-4-4*int(restarts)]
	var key []byte
	for len(block) > 0 {
		var head [3]uint64
		for i := range head {
			v, w := binary.Uvarint(block)
			if w <= 0 {
				return 0, 0, false
			}
			head[i], block = v, block[w:]
		}
		left := uint64(len(block))
		if head[0] > uint64(len(key)) || head[1] > left || head[2] > left-head[1] {
			return 0, 0, false
		}
		key = append(key[:head[0]], block[:head[1]]...)
		if string(key) == name {
			at, n, _, ok = extent(block[head[1] : head[1]+head[2]])
			return at, n, ok
		}
		block = block[head[1]+head[2]:]
	}
	return 0, 0, false
}

// extent reads where a block is: offset and length.
func extent(b []byte) (at, n uint64, rest []byte, ok bool) {
	at, w := binary.Uvarint(b)
	if w <= 0 {
		return 0, 0, nil, false
	}
	n, v := binary.Uvarint(b[w:])
	if v <= 0 {
		return 0, 0, nil, false
	}
	return at, n, b[w+v:], true
}
