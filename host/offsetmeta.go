package host

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"strings"

	"github.com/sliphost/sliphost/state"
)

// offsetMeta travels as metadata with each committed offset: what a new owner
// of the partition has to know beside the offset. It is committed together with
// the offset, so it is never of another moment; an offset that was set from
// outside has none.
type offsetMeta struct {
	// inputs are the topics of the task, this offset's own among them: so that
	// one made anew is recognised, also if its offsets went with it.
	inputs []inputIdentity
	// streamTime is the task's, in milliseconds, -1 for none.
	streamTime int64
	// logs holds how far the caches' changelogs belong to this offset.
	logs []cachePosition
	// attempts counts the tries of the record at the offset.
	attempts []savedAttempt
	// ticks are the last ones of the timers that go with the task.
	ticks []savedTick
	// until and replays are the input's replay, if there is one: not written
	// otherwise.
	until   int64
	replays []savedReplay
}

type savedReplay struct {
	checkpoint uint32 // nameHash of its id
	offset     int64
}

type inputIdentity struct {
	topic    uint32 // nameHash of its name
	identity uint32 // Source.Identity
}

type cachePosition struct {
	cache uint32 // nameHash of the cache's id
	pos   state.Position
}

type savedAttempt struct {
	handler, source uint32 // nameHash of their ids
	nth, n          int
}

type savedTick struct {
	timer uint32 // timerHash
	last  int64  // in milliseconds since 1970
}

const (
	metaPrefix = "slip1."
	// metaRoom is what a broker takes by default (offset.metadata.max.bytes).
	metaRoom = 4096
)

// nameHash stands for a name where bytes are dear.
func nameHash(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return h.Sum32()
}

// encode returns the text form. Attempts that would not fit are left out: they
// are then counted anew.
func (m *offsetMeta) encode() string {
	b := make([]byte, 0, 64+len(m.inputs)*8+len(m.logs)*16)
	b = binary.AppendVarint(b, m.streamTime)
	b = binary.AppendUvarint(b, uint64(len(m.inputs)))
	for _, in := range m.inputs {
		b = binary.LittleEndian.AppendUint32(b, in.topic)
		b = binary.LittleEndian.AppendUint32(b, in.identity)
	}
	b = binary.AppendUvarint(b, uint64(len(m.logs)))
	for _, l := range m.logs {
		b = binary.LittleEndian.AppendUint32(b, l.cache)
		b = binary.LittleEndian.AppendUint32(b, l.pos.Log)
		b = binary.AppendUvarint(b, uint64(l.pos.Next))
	}
	const attemptBytes, tickBytes = 18, 14
	attempts := m.attempts
	room := (metaRoom-len(metaPrefix))*3/4 - len(b) - 8 - 20 - 14*len(m.replays) - tickBytes*len(m.ticks)
	attempts = attempts[:max(0, min(len(attempts), room/attemptBytes))]
	b = binary.AppendUvarint(b, uint64(len(attempts)))
	for _, a := range attempts {
		b = binary.LittleEndian.AppendUint32(b, a.handler)
		b = binary.LittleEndian.AppendUint32(b, a.source)
		b = binary.AppendUvarint(b, uint64(a.nth))
		b = binary.AppendUvarint(b, uint64(a.n))
	}
	if m.until > 0 || len(m.ticks) > 0 {
		b = binary.AppendUvarint(b, uint64(m.until))
		b = binary.AppendUvarint(b, uint64(len(m.replays)))
		for _, p := range m.replays {
			b = binary.LittleEndian.AppendUint32(b, p.checkpoint)
			b = binary.AppendUvarint(b, uint64(p.offset))
		}
	}
	if len(m.ticks) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.ticks)))
		for _, t := range m.ticks {
			b = binary.LittleEndian.AppendUint32(b, t.timer)
			b = binary.AppendVarint(b, t.last)
		}
	}
	return metaPrefix + base64.RawStdEncoding.EncodeToString(b)
}

// errForeignMeta says that a committed offset is not one of ours.
var errForeignMeta = errors.New("the offset carries no metadata of sliphost")

// decodeMeta reads the text form.
func decodeMeta(s string) (offsetMeta, error) {
	var m offsetMeta
	text, ours := strings.CutPrefix(s, metaPrefix)
	if !ours {
		return m, errForeignMeta
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return m, errForeignMeta
	}
	r := metaReader{b: b}
	m.streamTime = r.varint()
	for range r.count(8) {
		m.inputs = append(m.inputs, inputIdentity{r.fixed(), r.fixed()})
	}
	for range r.count(9) {
		l := cachePosition{cache: r.fixed()}
		l.pos.Log = r.fixed()
		l.pos.Next = int64(r.uvarint())
		if l.pos.Next < 0 {
			r.bad = true
		}
		m.logs = append(m.logs, l)
	}
	for range r.count(10) {
		a := savedAttempt{handler: r.fixed(), source: r.fixed()}
		a.nth, a.n = int(r.uvarint()), int(r.uvarint())
		if a.nth < 0 || a.n < 0 {
			r.bad = true
		}
		m.attempts = append(m.attempts, a)
	}
	if len(r.b) > 0 {
		m.until = int64(r.uvarint())
		for range r.count(5) {
			p := savedReplay{checkpoint: r.fixed()}
			p.offset = int64(r.uvarint())
			r.bad = r.bad || p.offset < 0
			m.replays = append(m.replays, p)
		}
		r.bad = r.bad || m.until < 0 || m.until == 0 && len(r.b) == 0
	}
	if len(r.b) > 0 {
		for range r.count(5) {
			m.ticks = append(m.ticks, savedTick{timer: r.fixed(), last: r.varint()})
		}
	}
	if r.bad || len(r.b) > 0 {
		return offsetMeta{}, errForeignMeta
	}
	return m, nil
}

// input returns the identity that a topic of the task had, 0 if the broker told
// none, and whether it was one of its topics at all.
func (m *offsetMeta) input(topic string) (identity uint32, known bool) {
	h := nameHash(topic)
	for _, in := range m.inputs {
		if in.topic == h {
			return in.identity, true
		}
	}
	return 0, false
}

// position returns the changelog position of a cache and whether it is known.
func (m *offsetMeta) position(cache string) (state.Position, bool) {
	h := nameHash(cache)
	for _, l := range m.logs {
		if l.cache == h {
			return l.pos, true
		}
	}
	return state.Position{}, false
}

type metaReader struct {
	b   []byte
	bad bool
}

func (r *metaReader) fixed() uint32 {
	if len(r.b) < 4 {
		r.b, r.bad = nil, true
		return 0
	}
	v := binary.LittleEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *metaReader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *metaReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *metaReader) skip(n int) {
	if n <= 0 {
		r.b, r.bad = nil, true
		return
	}
	r.b = r.b[n:]
}

// count reads a number of elements of at least least bytes each.
func (r *metaReader) count(least int) int {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)/least) {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}
