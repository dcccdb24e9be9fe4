package golden

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
)

// The SDKs write numbers as 8 bytes, little endian, and begin the keys of a
// window's cache with the window's start: 8 bytes, big endian, sign inverted.
const (
	numberBytes = 8
	signBit     = 1 << 63
)

// keyType is the type of a cache's keys: its name, and how the store turns text
// into a key, tells whether bytes are one, and turns one into text.
type keyType struct {
	name  manifest.KeyType
	forms interface {
		Parse(dst []byte, text string) ([]byte, error)
		Check(stored []byte) error
		Text(stored []byte) string
	}
}

// isText says that keys are sequences of bytes.
func (k keyType) isText() bool { return k.name == manifest.KeyBytes || k.name == manifest.KeyString }

// stored returns the key as the store has it.
func (e *entry) stored(typ keyType) ([]byte, error) {
	if e.raw != nil {
		return e.raw, typ.forms.Check(e.raw)
	}
	var b []byte
	if e.inWindow {
		b = binary.BigEndian.AppendUint64(b, uint64(e.window)^signBit)
	}
	return typ.forms.Parse(b, e.key)
}

// encoded returns the value as a handler would have written it.
func (e *entry) encoded() ([]byte, error) {
	switch e.form {
	case formInt:
		n, err := strconv.ParseInt(string(e.value), 10, 64)
		return binary.LittleEndian.AppendUint64(nil, uint64(n)), err
	case formFloat:
		f, err := strconv.ParseFloat(string(e.value), 64)
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)), err
	case formJSON:
		return codec.JSON{}.Decode(nil, e.value)
	}
	return e.value, nil
}

// holds says whether a stored value is the expected one.
func (e *entry) holds(value []byte) bool {
	if b, err := e.encoded(); err == nil && bytes.Equal(b, value) {
		return true
	}
	if e.form == formBytes {
		return sameBytes(e.value, value)
	}
	got, err := codec.JSON{}.Encode(nil, value)
	return err == nil && sameBytes(e.value, got)
}

// held is an entry that a cache holds, in its stored form.
type held struct {
	partition  int32
	key, value []byte
}

// entry returns how a test would write h. What handlers wrote does not say what
// it is: text that can be read is text, a list or map in msgpack is JSON, 8
// bytes may be a number and the start of a window.
func (h *held) entry(typ keyType) *entry {
	e := &entry{partition: h.partition}
	switch start, key, ok := inWindow(h.key); {
	case typ.name == manifest.KeyBytes && !readable(h.key) && ok:
		e.window, e.inWindow, e.key = start, true, string(key)
	case typ.name == manifest.KeyBytes && !readable(h.key):
		e.raw = h.key
	default:
		e.key = typ.forms.Text(h.key)
	}
	e.value, e.form = h.value, formBytes
	if readable(h.value) {
		return e
	}
	if doc, err := (codec.JSON{}).Encode(nil, h.value); err == nil && (doc[0] == '{' || doc[0] == '[') {
		e.value, e.form = doc, formJSON
		return e
	}
	if len(h.value) == numberBytes {
		bits := binary.LittleEndian.Uint64(h.value)
		n, f := int64(bits), math.Float64frombits(bits)
		switch {
		case -1<<48 < n && n < 1<<48:
			e.value, e.form = strconv.AppendInt(nil, n, 10), formInt
		case math.Abs(f) > 1e-30 && math.Abs(f) < 1e30:
			e.value, e.form = appendFloat(nil, f), formFloat
		}
	}
	return e
}

// inWindow takes a key of a window's cache apart. Starts between 1970 and 2500
// are believed to be some.
func inWindow(key []byte) (start int64, rest []byte, ok bool) {
	if len(key) < numberBytes {
		return 0, nil, false
	}
	start, rest = int64(binary.BigEndian.Uint64(key)^signBit), key[numberBytes:]
	return start, rest, start >= 0 && start < 530*365*24*3600*1000 && (len(rest) == 0 || readable(rest))
}

// readable says whether bytes can be shown as text.
func readable(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f
	})
}

// plain says that an entry can be a line of a table.
func (e *entry) plain(withPartition bool) bool {
	return e.raw == nil && !e.inWindow && !withPartition && (e.form != formBytes || readable(e.value))
}

// line writes an entry as a line of a table.
func (e *entry) line() string { return tomlKey(e.key) + " = " + e.text() }

// text writes the value in TOML.
func (e *entry) text() string {
	switch e.form {
	case formInt, formFloat:
		return string(e.value)
	case formJSON:
		return tomlValue(e.value, true)
	}
	return tomlText(string(e.value))
}

// block writes an entry as the keys of a block.
func (e *entry) block(typ keyType, withPartition bool) string {
	var b strings.Builder
	if e.inWindow {
		b.WriteString("window = \"" + windowText(e.window) + "\"\n")
	}
	switch {
	case e.raw != nil:
		b.WriteString("key_base64 = \"" + base64.StdEncoding.EncodeToString(e.raw) + "\"\n")
	case typ.isText():
		b.WriteString("key = " + tomlText(e.key) + "\n")
	default:
		b.WriteString("key = " + e.key + "\n")
	}
	if withPartition {
		b.WriteString("partition = " + strconv.Itoa(int(e.partition)) + "\n")
	}
	if e.form == formBytes && !readable(e.value) {
		b.WriteString("value_base64 = \"" + base64.StdEncoding.EncodeToString(e.value) + "\"\n")
	} else {
		b.WriteString("value = " + e.text() + "\n")
	}
	return b.String()
}

// show writes an entry on one line of a difference.
func (e *entry) show(withPartition bool) string {
	var b strings.Builder
	if e.inWindow {
		b.WriteString("window " + windowText(e.window) + " ")
	}
	if e.raw != nil {
		b.WriteString(showBytes(e.raw))
	} else {
		b.WriteString(strconv.Quote(e.key))
	}
	b.WriteString(" = ")
	if e.form == formBytes {
		b.WriteString(showBytes(e.value))
	} else {
		b.Write(e.value)
	}
	if withPartition {
		b.WriteString(" partition=" + strconv.Itoa(int(e.partition)))
	}
	return b.String()
}

func windowText(start int64) string { return time.UnixMilli(start).UTC().Format(time.RFC3339Nano) }
