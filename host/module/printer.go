package module

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// maxAccount bounds the beginning of a panic's text that is kept, maxEnding
// its end, where the frames are; maxEarly the lines kept while an instance
// starts.
const (
	maxAccount = 16 << 10
	maxEnding  = 16 << 10
	maxEarly   = 64
)

// printer takes what one instance prints and logs. Lines go to the slot as
// they end, except in two cases: what an instance says before it is active is
// held back until it is, and what looks like the account of a panic is held
// back until the call ends, because it then belongs to the error.
type printer struct {
	in *instance
	// pending says that endCall has something to do.
	pending bool
	// partial holds a line of each stream that has not ended.
	partial [3][]byte
	// account is the text from the first line of a panic on.
	account []byte
	// ending is its last lines, once account is full; leftOut counts the bytes
	// between the two.
	ending  []byte
	leftOut int
	holding bool
	// message is what the import panic was told.
	message []byte
	// early holds lines said while the instance was not active.
	early  []earlyLine
	active bool
	clean  []byte
}

type earlyLine struct {
	level  abi.Level
	stream Stream
	text   string
}

// write takes bytes printed to a stream.
func (p *printer) write(stream Stream, b []byte) {
	p.pending = true
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.collect(stream, b)
			return
		}
		if len(p.partial[stream]) == 0 {
			p.line(stream, b[:i])
		} else {
			p.collect(stream, b[:i])
			p.end(stream)
		}
		b = b[i+1:]
	}
}

// collect adds to a line that has not ended; an overlong one is ended.
func (p *printer) collect(stream Stream, b []byte) {
	for len(b) > 0 {
		n := min(len(b), maxLine-len(p.partial[stream]))
		p.partial[stream] = append(p.partial[stream], b[:n]...)
		b = b[n:]
		if len(b) > 0 {
			p.end(stream)
		}
	}
}

func (p *printer) end(stream Stream) {
	line := p.partial[stream]
	p.partial[stream] = line[:0]
	p.line(stream, line)
}

// line takes a whole line.
func (p *printer) line(stream Stream, b []byte) {
	if stream == Stderr && (p.holding || startsPanic(b)) {
		p.holding = true
		p.hold(b)
		return
	}
	p.print(stream, b)
}

// hold adds a line to the account.
func (p *printer) hold(b []byte) {
	if room := maxAccount - len(p.account); room > 0 {
		n := min(len(b), room)
		p.account = append(p.account, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			p.account = append(p.account, '\n')
			return
		}
	}
	p.ending = append(append(p.ending, b...), '\n')
	if len(p.ending) < 2*maxEnding {
		return
	}
	cut := len(p.ending) - maxEnding
	if i := bytes.IndexByte(p.ending[cut:], '\n'); i >= 0 {
		cut += i + 1
	}
	p.leftOut += cut
	p.ending = append(p.ending[:0], p.ending[cut:]...)
}

// said is the account, with a line that stands for what is left out.
func (p *printer) said() []byte {
	text := slices.Clone(p.account)
	if p.leftOut > 0 {
		text = fmt.Appendf(text, "\n[%d bytes left out]\n", p.leftOut)
	}
	return append(text, p.ending...)
}

func (p *printer) print(stream Stream, b []byte) {
	p.clean = appendClean(p.clean[:0], b, maxLine)
	switch {
	case p.in.owner == nil:
		// The instance that describes itself has no one to tell.
	case p.active:
		p.in.owner.output(p.in.handler(), stream, p.clean)
	case len(p.early) < maxEarly:
		p.early = append(p.early, earlyLine{stream: stream, text: string(p.clean)})
	}
}

// log takes a line of the import log.
func (p *printer) log(level abi.Level, b []byte) {
	p.clean = appendClean(p.clean[:0], b, maxLine)
	switch {
	case p.in.owner == nil:
	case p.active:
		p.in.owner.log(p.in.handler(), level, p.clean)
	case len(p.early) < maxEarly:
		p.early = append(p.early, earlyLine{level: level, text: string(p.clean)})
	}
}

// activate passes on what the instance said while it started.
func (p *printer) activate() {
	p.active = true
	p.endCall(false)
	for _, l := range p.early {
		if l.stream == 0 {
			p.in.owner.log(-1, l.level, []byte(l.text))
		} else {
			p.in.owner.output(-1, l.stream, []byte(l.text))
		}
	}
	p.early = nil
}

// endCall ends lines at the end of a call. An account stays for the error if
// the call trapped, and is printed like other lines if not.
func (p *printer) endCall(trapped bool) {
	p.pending = false
	for _, s := range [...]Stream{Stdout, Stderr} {
		if len(p.partial[s]) > 0 {
			p.end(s)
		}
	}
	if trapped || !p.holding {
		return
	}
	p.holding = false
	account := p.said()
	p.account, p.ending, p.leftOut = nil, nil, 0
	for len(account) > 0 {
		i := bytes.IndexByte(account, '\n')
		p.print(Stderr, account[:i])
		account = account[i+1:]
	}
}

// startsPanic says whether a line begins the account of a panic: of Go's
// runtime, or of Rust's default hook under WASI.
func startsPanic(line []byte) bool {
	for _, p := range [...]string{"panic: ", "fatal error: ", "runtime: out of memory", "thread '"} {
		if bytes.HasPrefix(line, []byte(p)) {
			return true
		}
	}
	return false
}
