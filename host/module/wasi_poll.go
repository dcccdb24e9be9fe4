package module

import (
	"encoding/binary"
	"math"

	"github.com/tetratelabs/wazero/api"
)

// Layout of subscriptions and events of poll_oneoff.
const (
	subSize   = 48
	eventSize = 32

	eventClock   = 0
	eventFDRead  = 1
	eventFDWrite = 2

	clockAbstime = 1
	// maxSubs bounds the subscriptions of one call.
	maxSubs = 1024
)

// wasiPoll is (subscriptions, events, n, *nevents). Descriptors are always
// ready; if there are none, time jumps to the earliest deadline, so a sleep
// ends at once and the guest's clock says that it happened.
func wasiPoll(in *instance, mem api.Memory, st []uint64) {
	n := uint32(st[2])
	if n == 0 || n > maxSubs {
		st[0] = wasiInvalid
		return
	}
	subs, ok1 := mem.Read(uint32(st[0]), n*subSize)
	events, ok2 := mem.Read(uint32(st[1]), n*eventSize)
	if !ok1 || !ok2 {
		st[0] = wasiFault
		return
	}
	wait := in.shortestWait(mem, subs)
	ready := uint32(0)
	for ; len(subs) > 0; subs = subs[subSize:] {
		errno, kind := uint16(wasiOK), subs[8]
		switch kind {
		case eventClock:
			left, ok := in.timeLeft(mem, subs)
			if !ok {
				errno = wasiNotSup
			} else if left > wait {
				continue
			}
		case eventFDRead, eventFDWrite:
			if binary.LittleEndian.Uint32(subs[16:]) > 2 {
				errno = wasiBadFD
			}
		default:
			st[0] = wasiInvalid
			return
		}
		e := events[ready*eventSize:][:eventSize]
		user := binary.LittleEndian.Uint64(subs)
		clear(e)
		binary.LittleEndian.PutUint64(e, user)
		binary.LittleEndian.PutUint16(e[8:], errno)
		e[10] = kind
		ready++
	}
	in.time.monotonic = addSaturating(in.time.monotonic, wait)
	st[0] = wasiOK
	if !mem.WriteUint32Le(uint32(st[3]), ready) {
		st[0] = wasiFault
	}
}

// shortestWait is how long the guest waits: 0 if a descriptor is among the
// subscriptions or one of them is in error.
func (in *instance) shortestWait(mem api.Memory, subs []byte) uint64 {
	wait := uint64(math.MaxUint64)
	for ; len(subs) > 0; subs = subs[subSize:] {
		if subs[8] != eventClock {
			return 0
		}
		left, ok := in.timeLeft(mem, subs)
		if !ok {
			return 0
		}
		wait = min(wait, left)
	}
	return wait
}

// timeLeft is the time until a clock subscription's deadline.
func (in *instance) timeLeft(mem api.Memory, sub []byte) (uint64, bool) {
	id := binary.LittleEndian.Uint32(sub[16:])
	timeout := binary.LittleEndian.Uint64(sub[24:])
	if id != clockRealtime && id != clockMonotonic {
		return 0, false
	}
	if binary.LittleEndian.Uint16(sub[40:])&clockAbstime == 0 {
		return timeout, true
	}
	now := in.time.monotonic
	if id == clockRealtime {
		now = in.wallClock(mem)
	}
	if timeout <= now {
		return 0, true
	}
	return timeout - now, true
}

func addSaturating(a, b uint64) uint64 {
	a, b = min(a, math.MaxInt64), min(b, math.MaxInt64)
	return min(a+b, math.MaxInt64)
}
