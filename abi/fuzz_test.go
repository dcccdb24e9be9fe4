package abi_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/abi/abitest/recode"
)

func FuzzDescribe(f *testing.F)     { fuzzMessage(f, "Describe") }
func FuzzInit(f *testing.F)         { fuzzMessage(f, "Init") }
func FuzzInitReply(f *testing.F)    { fuzzMessage(f, "InitReply") }
func FuzzBatch(f *testing.F)        { fuzzMessage(f, "Batch") }
func FuzzAdvance(f *testing.F)      { fuzzMessage(f, "Advance") }
func FuzzDowntime(f *testing.F)     { fuzzMessage(f, "Downtime") }
func FuzzRecovery(f *testing.F)     { fuzzMessage(f, "Recovery") }
func FuzzCheck(f *testing.F)        { fuzzMessage(f, "Check") }
func FuzzSelftest(f *testing.F)     { fuzzMessage(f, "Selftest") }
func FuzzMigrate(f *testing.F)      { fuzzMessage(f, "Migrate") }
func FuzzCodec(f *testing.F)        { fuzzMessage(f, "Codec") }
func FuzzReply(f *testing.F)        { fuzzMessage(f, "Reply") }
func FuzzAnswers(f *testing.F)      { fuzzMessage(f, "Answers") }
func FuzzScanRequest(f *testing.F)  { fuzzMessage(f, "ScanRequest") }
func FuzzScanPage(f *testing.F)     { fuzzMessage(f, "ScanPage") }
func FuzzKeyList(f *testing.F)      { fuzzMessage(f, "KeyList") }
func FuzzValueList(f *testing.F)    { fuzzMessage(f, "ValueList") }
func FuzzHeartbeat(f *testing.F)    { fuzzMessage(f, "Heartbeat") }
func FuzzLatency(f *testing.F)      { fuzzMessage(f, "Latency") }
func FuzzPulse(f *testing.F)        { fuzzMessage(f, "Pulse") }
func FuzzDowntimeList(f *testing.F) { fuzzMessage(f, "DowntimeList") }
func FuzzValue(f *testing.F)        { fuzzMessage(f, "Value") }

// fuzzMessage starts from the message's vectors. What a decoder accepts must
// be msgpack to another library too, mean the same after it was written in
// canonical form, and have one canonical form.
func fuzzMessage(f *testing.F, message string) {
	for _, v := range loadVectors(f) {
		if v.Message == message && len(v.Wire) < 5000 {
			f.Add(v.Wire)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		canon, _, err := recode.Message(message, data)
		if err != nil {
			var syntax *abi.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(data) {
				t.Fatalf("error outside the message: %v", err)
			}
			if message == "Value" && syntax.Want != "a value nested at most 64 deep" && isMsgpack(data, 1) {
				t.Fatalf("refused what is a msgpack value: %v", err)
			}
			return
		}
		if message != "Batch" && message != "DowntimeList" && !isForeignDescribe(message, data) && !isMsgpack(data, -1) {
			t.Fatal("accepted what is not msgpack")
		}
		again, _, err := recode.Message(message, canon)
		if err != nil {
			t.Fatalf("the canonical form %x is refused: %v", canon, err)
		}
		if !bytes.Equal(canon, again) {
			t.Fatalf("two canonical forms:\n%x\n%x", canon, again)
		}
		if diff := cmp.Diff(tree(message, data), tree(message, canon)); diff != "" {
			t.Fatalf("the canonical form means something else (- read, + canonical):\n%s", diff)
		}
	})
}

// isMsgpack says whether another library finds n values (any number if n is
// negative) in data and nothing behind them.
func isMsgpack(data []byte, n int) bool {
	in := bytes.NewReader(data)
	d := msgpack.NewDecoder(in)
	found := 0
	for in.Len() > 0 {
		if d.Skip() != nil {
			return false
		}
		found++
	}
	return n < 0 || found == n
}

// isForeignDescribe says that a description has another major version, of
// which only the first two fields are read.
func isForeignDescribe(message string, data []byte) bool {
	if message != "Describe" {
		return false
	}
	d, err := abi.ReadDescribe(data)
	return err == nil && d.Major != abi.Major
}
