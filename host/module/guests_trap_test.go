package module

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

// TestGuestTrapsAfterOutputs: whatever a record makes the guest write and
// allocate before it traps, the results of the records before it are whole.
func TestGuestTrapsAfterOutputs(t *testing.T) {
	const most = 32 << 20 // bytes a call
	for _, lang := range languages {
		m := guest(t, lang, "all", Limits{Memory: 128 << 20})
		for _, size := range []int{12, 100, 1000, 5000, 300_000} {
			t.Run(fmt.Sprintf("%s/%d", lang, size), func(t *testing.T) {
				s := openSlot(t, m, bound("emit-then-trap"), Hooks{})
				for _, before := range []int{1, 5, 40, 135} {
					for _, n := range []int{1, 20, 100, 400, 5000} {
						if size*(before+n) > most {
							continue
						}
						in := outputsThenTrap(before, n, size)
						rest := tryRecords(t, s, in, before, fmt.Sprintf("%d outputs emitted", n))
						if tryRecords(t, s, rest, len(rest), ""); t.Failed() {
							t.Fatalf("%d records before one of %d outputs", before, n)
						}
					}
				}
			})
		}
	}
}

// outputsThenTrap is a batch of records of about size bytes for the guest
// emit-then-trap; the one after the first n before is the only bad one.
func outputsThenTrap(before, outputs, size int) []input {
	pad := strings.Repeat("x", size)
	var in []string
	for i := range before {
		in = append(in, fmt.Sprintf("good %d %s", i, pad))
	}
	in = append(in, fmt.Sprintf("bad %d %s", outputs, pad))
	return values(append(in, "good last "+pad, "good")...)
}

// tryRecords runs a batch of a guest that passes records on until the first
// that traps, with a panic of that text, which is number good. It returns the
// records behind that one.
func tryRecords(t *testing.T, s *Slot, in []input, good int, text string) []input {
	t.Helper()
	head, records := encode(in)
	reply, done, err := s.Process(t.Context(), 0, int32(len(in)), head, records)
	if int(done) != good {
		t.Fatalf("done %d, want %d: %v", done, good, err)
	}
	if trap := (*TrapError)(nil); text == "" && err != nil {
		t.Fatal(err)
	} else if text != "" && (!errors.As(err, &trap) || trap.Kind != TrapPanic || trap.Guilty != done || trap.Message != text) {
		t.Fatalf("%v (%+v), want a panic: %s", err, trap, text)
	}
	next := 0
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			if i := int(res.Index); i > good || i < good && (!bytes.Equal(o.Key, in[i].key) || !bytes.Equal(o.Value, in[i].value)) {
				t.Errorf("record %d: output %.20q=%.20q of %d bytes", i, o.Key, o.Value, len(o.Value))
			}
		}
		abi.EndResult(&r, &res)
		switch {
		case int(res.Index) == good && res.Status == abi.StatusMore:
			// A piece of the record that trapped: void without a final result.
		case int(res.Index) == next && res.Status == abi.StatusOK && res.Outputs == 1:
			next++
		default:
			t.Errorf("result %d has index %d, status %d, %d outputs", next, res.Index, res.Status, res.Outputs)
		}
		if r.Err() != nil || t.Failed() {
			break
		}
	}
	if r.Err() != nil || next != good {
		t.Errorf("results of %d records, want %d: %v", next, good, r.Err())
	}
	return in[min(good+1, len(in)):]
}
