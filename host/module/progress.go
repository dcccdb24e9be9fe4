package module

import (
	"encoding/binary"
	"fmt"

	"github.com/sliphost/sliphost/abi"
)

// progress is a reading of the progress block.
type progress struct {
	magic, current, done, replyAt, replyLen uint32
}

// readProgress reads the block from its bytes.
func readProgress(b []byte) progress {
	return progress{
		magic:    binary.LittleEndian.Uint32(b[abi.ProgressMagicAt:]),
		current:  binary.LittleEndian.Uint32(b[abi.ProgressCurrentAt:]),
		done:     binary.LittleEndian.Uint32(b[abi.ProgressDoneAt:]),
		replyAt:  binary.LittleEndian.Uint32(b[abi.ProgressReplyAt:]),
		replyLen: binary.LittleEndian.Uint32(b[abi.ProgressLenAt:]),
	}
}

// check returns what contradicts itself, or "". before is the last reading of
// the same call.
func (p *progress) check(count uint32, before progress) string {
	switch {
	case p.magic != abi.ProgressMagic:
		return fmt.Sprintf("the progress block does not begin with SLP1 but with 0x%08x", p.magic)
	case p.done > count:
		return fmt.Sprintf("the progress block says %d records are done of a batch of %d", p.done, count)
	case p.current >= count:
		return fmt.Sprintf("the progress block says record %d of a batch of %d is being handled", p.current, count)
	case p.done != p.current && p.done != p.current+1:
		return fmt.Sprintf("the progress block says record %d is being handled when %d are done", p.current, p.done)
	case p.current < before.current:
		return fmt.Sprintf("the progress block went back from record %d to %d", before.current, p.current)
	case p.done < before.done:
		return fmt.Sprintf("the progress block went back from %d records done to %d", before.done, p.done)
	}
	return ""
}

// checkReply does the same for the reply, which counts only after a trap.
func (p *progress) checkReply(memory uint32) string {
	switch {
	case uint64(p.replyAt)+uint64(p.replyLen) > uint64(memory):
		return fmt.Sprintf("the progress block says the reply is %d bytes at address %d of a memory of %d bytes", p.replyLen, p.replyAt, memory)
	case p.done == 0 && p.replyLen != 0:
		return fmt.Sprintf("the progress block says %d bytes of reply are complete when no record is done", p.replyLen)
	}
	return ""
}
