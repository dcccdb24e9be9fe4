package model

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
)

// join pairs values that begin with "<", the left side, with the others.
type join struct {
	*results
	before, after, grace, kind int64
	kept                       []*half
}

// half is a record that waits for partners.
type half struct {
	key, value string
	side       byte
	at         int64
	// number is that among those of its key, side and time.
	number  uint32
	matched bool
}

// last is when the last partner of a half can be, and not before itself.
func (j *join) last(h *half) int64 {
	if h.side == 0 {
		return max(h.at+j.after, h.at)
	}
	return max(h.at+j.before, h.at)
}

func (j *join) close(now int64, all bool) {
	var gone, rest []*half
	for _, h := range j.kept {
		if all || j.last(h)+j.grace < now {
			gone = append(gone, h)
		} else {
			rest = append(rest, h)
		}
	}
	order := func(h *half) string {
		return h.key + string(rune(h.side)) + string(binary.BigEndian.AppendUint32(nil, h.number))
	}
	slices.SortFunc(gone, func(a, b *half) int {
		return cmp.Or(cmp.Compare(j.last(a), j.last(b)), cmp.Compare(order(a), order(b)))
	})
	if most := limit(all); len(gone) > most {
		gone, rest = gone[:most], append(rest, gone[most:]...)
	}
	j.kept = rest
	for _, h := range gone {
		if h.matched || !(j.kind == 2 || j.kind == 1 && h.side == 0) {
			continue
		}
		if text := fmt.Sprintf("%s@%d", h.value, h.at); h.side == 0 {
			j.emit(h.key, text+" -")
		} else {
			j.emit(h.key, "- "+text)
		}
	}
}

func (j *join) handle(now int64, r *cases.Record) bool {
	h := &half{key: string(r.Key), value: string(r.Value), at: r.Time, side: 1}
	if h.value[0] == '<' {
		h.side = 0
	}
	if j.last(h)+j.grace < now {
		return true
	}
	var partners []*half
	for _, o := range j.kept {
		left, right := h, o
		if h.side == 1 {
			left, right = o, h
		}
		if o.key == h.key && o.side != h.side && j.last(o)+j.grace >= now && left.at-j.before <= right.at && right.at <= left.at+j.after {
			partners = append(partners, o)
		}
		if o.key == h.key && o.side == h.side && o.at == h.at {
			h.number++
		}
	}
	slices.SortStableFunc(partners, func(a, b *half) int { return cmp.Compare(a.at, b.at) })
	for _, o := range partners {
		left, right := h, o
		if h.side == 1 {
			left, right = o, h
		}
		j.emit(h.key, fmt.Sprintf("%s@%d %s@%d", left.value, left.at, right.value, right.at))
		h.matched, o.matched = true, true
	}
	j.kept = append(j.kept, h)
	return false
}
