package checker

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Mark says what the handler poison does with a record.
type Mark string

// The marks. All but MarkNone and MarkDrop end in the dead-letter topic.
const (
	MarkNone  Mark = "-"
	MarkError Mark = "error"
	MarkTrap  Mark = "trap"
	MarkRetry Mark = "retry"
	MarkDrop  Mark = "drop"
)

// Fails says whether poison's effects on such a record are undone.
func (m Mark) Fails() bool { return m != MarkNone }

// Dies says whether such a record becomes a dead letter.
func (m Mark) Dies() bool { return m.Fails() && m != MarkDrop }

// Input is an input record. ID is unique in the run; N counts the records of
// the key from 1.
type Input struct {
	Key   string
	ID, N int64
	Mark  Mark
	Pad   string
}

// Value is the record's value: "ID N MARK CRC PAD".
func (in *Input) Value() []byte {
	return fmt.Appendf(nil, "%d %d %s %08x %s", in.ID, in.N, in.Mark, in.crc(), in.Pad)
}

// crc covers all the rest, key included.
func (in *Input) crc() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%s %d %d %s %s", in.Key, in.ID, in.N, in.Mark, in.Pad))
}

// ParseInput reads a record back and checks its sum.
func ParseInput(key, value []byte) (Input, error) {
	fields := strings.SplitN(string(value), " ", 5)
	if len(fields) != 5 {
		return Input{}, fmt.Errorf("input %.60q has %d of 5 fields", value, len(fields))
	}
	in := Input{Key: string(key), Mark: Mark(fields[2]), Pad: fields[4]}
	var err1, err2 error
	in.ID, err1 = strconv.ParseInt(fields[0], 10, 64)
	in.N, err2 = strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil {
		return Input{}, fmt.Errorf("input %.60q does not begin with two numbers", value)
	}
	if fmt.Sprintf("%08x", in.crc()) != fields[3] {
		return Input{}, fmt.Errorf("input %.60q under key %q does not match its sum", value, key)
	}
	return in, nil
}

// idOf is the id that an output's value begins with.
func idOf(value []byte) (int64, bool) {
	text, _, _ := bytes.Cut(value, []byte(" "))
	id, err := strconv.ParseInt(string(text), 10, 64)
	return id, err == nil
}

// partitionOf is where Java's producers, and so sliphost, write a key.
func partitionOf(key string, partitions int) int {
	return int(murmur2(key)&0x7fffffff) % partitions
}

func murmur2(key string) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(key))
	b := []byte(key)
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
