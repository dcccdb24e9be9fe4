package main

import (
	"os"
	"strings"
	"testing"
)

const out = "../../vectors"

func TestVectorsAreUpToDate(t *testing.T) {
	if err := run(out, true); err != nil {
		t.Fatal(err)
	}
}

// TestEveryFileIsWritten finds files whose message is gone.
func TestEveryFileIsWritten(t *testing.T) {
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range messages {
		want[strings.ToLower(m.name)+".json"] = true
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") && !want[e.Name()] {
			t.Errorf("%s belongs to no message", e.Name())
		}
	}
}

func TestLiberalVectorsAreNotCanonical(t *testing.T) {
	for _, m := range messages {
		for _, v := range m.cases {
			same := v.class != "reject" && string(encode(v.value)) == string(v.wire)
			if m.name != "Value" && same != (v.class == "canonical") {
				t.Errorf("%s, %s: class %s", m.name, v.name, v.class)
			}
		}
	}
}
