package abi_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/abi/abitest"
	"github.com/sliphost/sliphost/abi/abitest/recode"
)

func loadVectors(t testing.TB) []abitest.Vector {
	t.Helper()
	all, err := abitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.Message+"/"+v.Class+"/"+v.Name, func(t *testing.T) {
			got, ok, err := recode.Message(v.Message, v.Wire)
			if !ok {
				t.Fatalf("no codec for message %q", v.Message)
			}
			if v.Class == abitest.Reject {
				var syntax *abi.SyntaxError
				if !errors.As(err, &syntax) {
					t.Fatalf("accepted, or refused without a SyntaxError: %v", err)
				}
				if syntax.Want != v.Want || syntax.Offset != v.At {
					t.Errorf("refused at %d wanting %q; the vector says at %d wanting %q", syntax.Offset, syntax.Want, v.At, v.Want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, v.Canon) {
				t.Errorf("wrote %x\nthe vector says %x", got, v.Canon)
			}
			if diff := cmp.Diff(v.Value, tree(v.Message, v.Wire)); diff != "" {
				t.Errorf("read something else (- vector, + read):\n%s", diff)
			}
		})
	}
}

// TestVectorsCoverEveryClass guards against a message whose vectors went
// missing.
func TestVectorsCoverEveryClass(t *testing.T) {
	seen := map[string]map[string]int{}
	for _, v := range loadVectors(t) {
		if seen[v.Message] == nil {
			seen[v.Message] = map[string]int{}
		}
		seen[v.Message][v.Class]++
	}
	for message, classes := range seen {
		for _, class := range []string{abitest.Canonical, abitest.Forward, abitest.Reject} {
			if classes[class] == 0 && message != "Value" {
				t.Errorf("%s has no vector of class %s", message, class)
			}
		}
	}
	if len(seen) != 22 {
		t.Errorf("%d messages have vectors, README.md names 22", len(seen))
	}
}

// TestTruncatedMessagesAreRefused cuts every vector that is accepted at every
// place: no message may be taken for whole before its end.
func TestTruncatedMessagesAreRefused(t *testing.T) {
	for _, v := range loadVectors(t) {
		if v.Class == abitest.Reject || len(v.Wire) > 5000 {
			continue
		}
		// A stream may end after any result, an empty list of downtimes is 0
		// bytes, and fields behind the last record need not be read.
		if v.Message == "Reply" || v.Message == "Answers" || v.Message == "Batch" && v.Class == abitest.Forward {
			continue
		}
		for n := range v.Wire {
			if n == 0 && v.Message == "DowntimeList" {
				continue
			}
			if _, _, err := recode.Message(v.Message, v.Wire[:n]); err == nil {
				t.Errorf("%s, %s: the first %d of %d bytes were accepted", v.Message, v.Name, n, len(v.Wire))
			}
		}
	}
}
