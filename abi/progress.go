package abi

// Progress block: 32 bytes in guest memory, little endian. The SDK stores
// Current before each handler call and Done and ReplyLen after it; the host
// writes Stop. Offsets of the fields in the block:
const (
	ProgressMagicAt   = 0
	ProgressCurrentAt = 4
	ProgressDoneAt    = 8
	ProgressReplyAt   = 12
	ProgressLenAt     = 16
	ProgressStopAt    = 20
	// ProgressSize is the size of the block; bytes 24 to 31 are reserved.
	ProgressSize = 32
)

// ProgressMagic is "SLP1" read as a little-endian 32-bit word.
const ProgressMagic uint32 = 'S' | 'L'<<8 | 'P'<<16 | '1'<<24
