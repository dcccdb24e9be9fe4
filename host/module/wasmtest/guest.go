package wasmtest

import "github.com/sliphost/sliphost/abi"

// Addresses of a Guest's memory.
const (
	DescribeAt  = 1024
	InitReplyAt = 8192
	ProgressAt  = 512
	ScratchAt   = 16384
	ArenaAt     = 65536
	ReplyAt     = 131072
	// ArenaSize is what the guest says its arena holds.
	ArenaSize = 65536
)

// Guest is a module that keeps the contract except where a field says
// otherwise; the zero value describes one handler "h" and drops every record.
type Guest struct {
	// Describe and InitReply replace the messages.
	Describe, InitReply []byte
	// Imports are imported in order; their indexes are 0, 1, ...
	Imports []Import
	// Bodies of exports; nil is the behaviour of a well-behaved guest. Init may
	// use the local 1 (i32), Process the parameters 0 (handler) and 1 (length)
	// and the locals 2 (i32), 3 (i32) and 4 (i64).
	Initialize, DescribeBody, Alloc, Init, Process Code
	// Omit leaves out an export; Retype gives an export another signature.
	Omit   string
	Retype map[string]string
	// MinPages of memory, default 4; MaxPages 0 is no maximum.
	MinPages, MaxPages uint64
	// Data fills more memory.
	Data map[uint32][]byte
	// Extra adds to the module before it is finished.
	Extra func(b *Builder)
}

// Import is a function a Guest imports.
type Import struct{ Module, Name, Sig string }

// DefaultDescribe offers one handler.
func DefaultDescribe(handler string) []byte {
	return abi.AppendDescribe(nil, &abi.Describe{
		Major: abi.Major, Minor: abi.Minor, SDK: "wasmtest", Language: "wasm",
		Handlers: []abi.HandlerDesc{{Name: handler, Flags: abi.FlagStateless}},
	})
}

// DefaultInitReply names ProgressAt and ArenaSize.
func DefaultInitReply() []byte {
	return abi.AppendInitReply(nil, &abi.InitReply{Progress: ProgressAt, Capacity: ArenaSize})
}

// Build returns the module.
func (g Guest) Build() []byte {
	var b Builder
	for _, im := range g.Imports {
		b.Import(im.Module, im.Name, im.Sig)
	}
	describe := g.Describe
	if describe == nil {
		describe = DefaultDescribe("h")
	}
	reply := g.InitReply
	if reply == nil {
		reply = DefaultInitReply()
	}
	b.Data(DescribeAt, describe)
	b.Data(InitReplyAt, reply)
	b.Data(ProgressAt, []byte("SLP1"))
	for at, v := range g.Data {
		b.Data(at, v)
	}
	if g.Omit != "memory" {
		b.Memory(max(g.MinPages, 4), g.MaxPages)
	} else {
		b.HiddenMemory(4, 0)
	}
	export := func(name, sig, locals string, body, standard Code) {
		if name == g.Omit {
			return
		}
		if s, ok := g.Retype[name]; ok {
			b.Func(name, s, locals, Unreachable)
			return
		}
		if body == nil {
			body = standard
		}
		b.Func(name, sig, locals, body)
	}
	if g.Initialize != nil {
		export("_initialize", "", "i", g.Initialize, nil)
	}
	export("slip_describe", ">I", "", g.DescribeBody, Packed(DescribeAt, uint32(len(describe))))
	export("slip_alloc", "i>i", "", g.Alloc, I32(ArenaAt))
	export("slip_init", "i>I", "i", g.Init, Packed(InitReplyAt, uint32(len(reply))))
	export("slip_process", "ii>I", "iiI", g.Process, Join(Finish(Count()), I64(0)))
	if g.Extra != nil {
		g.Extra(&b)
	}
	return b.Bytes()
}

// Count puts the batch's count of records on the stack, for batches whose head
// AppendBatchHeader wrote with small numbers: its array header counts twice
// the records and six fields.
func Count() Code {
	// The length of the array is big endian in the four bytes behind 0xdd; the
	// lowest two are enough for tests.
	load8 := func(at byte) Code { return Join(I32(ArenaAt), Code{0x2d, 0, at}) }
	return Join(load8(3), I32(256), Code{0x6c}, load8(4), Add32, I32(6), Sub32, I32(1), Code{0x76})
}

// Finish stores the count on the stack as done and one less as current (0 for
// an empty batch). It uses local 2.
func Finish(count Code) Code {
	return Join(
		count, Set(2),
		I32(ProgressAt), Get(2), Store32(abi.ProgressDoneAt),
		Get(2), If(I32(ProgressAt), Get(2), I32(1), Sub32, Store32(abi.ProgressCurrentAt)),
	)
}

// Progress stores fields of the progress block.
func Progress(current, done, replyAt, replyLen int32) Code {
	return Join(
		I32(ProgressAt), I32(current), Store32(abi.ProgressCurrentAt),
		I32(ProgressAt), I32(done), Store32(abi.ProgressDoneAt),
		I32(ProgressAt), I32(replyAt), Store32(abi.ProgressReplyAt),
		I32(ProgressAt), I32(replyLen), Store32(abi.ProgressLenAt),
	)
}
