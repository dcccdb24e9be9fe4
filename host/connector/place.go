package connector

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// place is where a reader is to go on: at a position of its own, and then behind
// some records without one.
type place struct {
	position []byte // nil if there was none yet
	behind   uint64
}

// placeMark begins the stored form of a place that is more than a position:
// the mark, the number of records behind it as a uvarint, the position. A place
// right behind a position is stored as that position, which was the only form
// before there were others.
const placeMark = "\x00sliphost-place\x00"

// add goes on behind a record.
func (p *place) add(position []byte) {
	if position != nil {
		*p = place{position: position}
	} else if p.position != nil {
		p.behind++
	}
}

// text is the place as others keep it, nil if there is none.
func (p *place) text() []byte {
	if p.position == nil || p.behind == 0 && !bytes.HasPrefix(p.position, []byte(placeMark)) {
		return p.position
	}
	return append(binary.AppendUvarint([]byte(placeMark), p.behind), p.position...)
}

// parsePlace reads what text has made. The position is a part of b.
func parsePlace(b []byte) (place, error) {
	rest, marked := bytes.CutPrefix(b, []byte(placeMark))
	if !marked {
		return place{position: b}, nil
	}
	behind, n := binary.Uvarint(rest)
	if n <= 0 {
		return place{}, errors.New("the stored position is damaged")
	}
	return place{rest[n:], behind}, nil
}
