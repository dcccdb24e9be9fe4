package slip

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

func TestMessagesAtLoadAreWhatTheCodecWrites(t *testing.T) {
	before := registry
	defer func() { registry = before }()
	registry = nil
	fn := func(*Call, Record) error { return nil }
	Handle("all", fn, Sink("s"), Sink("t"), Cache("c"), StringParam("p", "d", "h"), RequiredInt("q", ""),
		FloatParam("f", 1.5, ""), BoolParam("b", true, ""), Stateless(), Nondeterministic(), StateVersion(300))
	Handle("none", fn)
	want := abi.Describe{
		Major: abi.Major, Minor: abi.Minor, SDK: version, Language: runtime.Version(), Features: abi.FeatureMetered,
		Handlers: []abi.HandlerDesc{registry[0].desc, registry[1].desc},
	}
	if got := describe(); !bytes.Equal(got, abi.AppendDescribe(nil, &want)) {
		t.Errorf("describe %x", got)
	}
	if d, err := abi.ReadDescribe(describe()); err != nil || len(d.Handlers[0].Params) != 4 || d.Handlers[0].StateVersion != 300 ||
		d.Handlers[0].Flags != abi.FlagStateless|abi.FlagNondeterministic {
		t.Errorf("read %+v, %v", d, err)
	}
	ok := abi.InitReply{Progress: 1 << 20, Capacity: 65536}
	if got := accept(1<<20, 65536); !bytes.Equal(got, abi.AppendInitReply(nil, &ok)) {
		t.Errorf("accept %x", got)
	}
	no := abi.InitReply{Status: abi.StatusError, Code: abi.CodeParam, Message: "why"}
	if got := refuse(&recordError{code: abi.CodeParam, text: "why"}); !bytes.Equal(got, abi.AppendInitReply(nil, &no)) {
		t.Errorf("refuse %x", got)
	}
}
