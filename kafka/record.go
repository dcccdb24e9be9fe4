package kafka

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/sliphost/sliphost/abi"
)

// Record is one record of a batch, unpacked. A nil key, value or header value
// is null, which is not the same as an empty one. This form is for the edges
// (commands, tests); the engine keeps records packed.
type Record struct {
	Offset    int64
	Timestamp int64 // milliseconds since 1970, -1 for none
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is one header of a record. Names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// AppendRecord adds a record to a batch, continuing the last run where topic
// and partition are the same and the offset is larger.
func AppendRecord(b *abi.Packed, p abi.TopicPartition, r *Record) error {
	start := len(b.Buf)
	fresh := true
	if n := len(b.Runs); n > 0 {
		last := &b.Runs[n-1]
		fresh = last.Topic != p.Topic || last.Partition != p.Partition || r.Offset <= last.LastOffset
	}
	if fresh {
		b.Runs = append(b.Runs, abi.Run{
			Topic: p.Topic, Partition: p.Partition,
			BaseOffset: r.Offset, BaseTimestamp: r.Timestamp, Start: start,
		})
	}
	run := &b.Runs[len(b.Runs)-1]
	buf := abi.AppendUint32(b.Buf, 0)
	buf = abi.AppendArrayHeader(buf, 5)
	buf = abi.AppendInt(buf, r.Offset-run.BaseOffset)
	buf = abi.AppendInt(buf, r.Timestamp-run.BaseTimestamp)
	buf = abi.AppendBin(buf, r.Key)
	buf = abi.AppendBin(buf, r.Value)
	buf = AppendHeaders(buf, r.Headers)
	size := len(buf) - start - 5
	if size > math.MaxUint32 {
		if fresh {
			b.Runs = b.Runs[:len(b.Runs)-1]
		}
		return fmt.Errorf("a record of %d bytes does not fit the batch format", size)
	}
	abi.PutUint32(buf[start:], uint32(size))
	b.Buf = buf
	run.LastOffset = r.Offset
	run.Count++
	run.End = len(buf)
	return nil
}

// AppendHeaders appends headers as the msgpack array that Producer.Append
// takes; none at all become nil.
func AppendHeaders(b []byte, headers []Header) []byte {
	if len(headers) == 0 {
		return abi.AppendNil(b)
	}
	b = abi.AppendArrayHeader(b, len(headers))
	for _, h := range headers {
		b = abi.AppendArrayHeader(b, 2)
		b = abi.AppendStr(b, h.Name)
		b = abi.AppendBin(b, h.Value)
	}
	return b
}

// Records unpacks a run of a batch; slices of the records point into the
// batch. It stops at the first byte that is not the batch format, which the
// second value then says.
func Records(b *abi.Packed, run abi.Run) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if run.Start < 0 || run.End < run.Start || run.End > len(b.Buf) {
			yield(Record{}, errors.New("unpack a run: it lies outside its batch"))
			return
		}
		d := unpacker{b: b.Buf[run.Start:run.End]}
		for len(d.b) > 0 {
			r := d.record(run.BaseOffset, run.BaseTimestamp)
			if d.bad {
				yield(Record{}, errors.New("unpack a run: not the batch format"))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// unpacker reads the subset of msgpack that batches consist of. bad is set at
// the first thing that is not it, and everything after reads as zero.
type unpacker struct {
	b   []byte
	bad bool
}

func (d *unpacker) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *unpacker) uint(n int) uint64 {
	var v uint64
	for _, x := range d.bytes(uint64(n)) {
		v = v<<8 | uint64(x)
	}
	return v
}

func (d *unpacker) int() int64 {
	switch tag := byte(d.uint(1)); {
	case tag < 0x80 || tag >= 0xe0:
		return int64(int8(tag))
	case tag >= 0xcc && tag <= 0xcf:
		return int64(d.uint(1 << (tag - 0xcc)))
	case tag == 0xd0:
		return int64(int8(d.uint(1)))
	case tag == 0xd1:
		return int64(int16(d.uint(2)))
	case tag == 0xd2:
		return int64(int32(d.uint(4)))
	case tag == 0xd3:
		return int64(d.uint(8))
	}
	d.bad = true
	return 0
}

func (d *unpacker) bin() []byte {
	switch tag := d.uint(1); tag {
	case 0xc0:
		return nil
	case 0xc4, 0xc5, 0xc6:
		return d.bytes(d.uint(1 << (tag - 0xc4)))
	}
	d.bad = true
	return nil
}

func (d *unpacker) str() string {
	switch tag := d.uint(1); {
	case tag&0xe0 == 0xa0:
		return string(d.bytes(tag & 0x1f))
	case tag >= 0xd9 && tag <= 0xdb:
		return string(d.bytes(d.uint(1 << (tag - 0xd9))))
	}
	d.bad = true
	return ""
}

// array returns the length of an array; nil has none.
func (d *unpacker) array() uint64 {
	switch tag := d.uint(1); {
	case tag == 0xc0:
		return 0
	case tag&0xf0 == 0x90:
		return tag & 0x0f
	case tag == 0xdc:
		return d.uint(2)
	case tag == 0xdd:
		return d.uint(4)
	}
	d.bad = true
	return 0
}

func (d *unpacker) record(baseOffset, baseTimestamp int64) Record {
	if d.uint(1) != 0xce {
		d.bad = true
	}
	in := unpacker{b: d.bytes(d.uint(4)), bad: d.bad}
	var r Record
	if in.array() != 5 {
		in.bad = true
	}
	r.Offset = baseOffset + in.int()
	r.Timestamp = baseTimestamp + in.int()
	r.Key = in.bin()
	r.Value = in.bin()
	for n := in.array(); n > 0 && !in.bad; n-- {
		if in.array() != 2 {
			in.bad = true
		}
		r.Headers = append(r.Headers, Header{Name: in.str(), Value: in.bin()})
	}
	d.bad = d.bad || in.bad || len(in.b) > 0
	return r
}
