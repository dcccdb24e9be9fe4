package checker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A run without a fault must pass, whatever it looks like.
func TestRightLogsPass(t *testing.T) {
	first := rand.Uint64()
	for seed := first; seed < first+40; seed++ {
		w := newWorld(seed, 50+int(seed%400), 1+int(seed%17))
		if found := check(t, w.clone()); len(found) > 0 {
			t.Fatalf("seed %d: a right log is refused:\n%s", seed, found.Report(5))
		}
	}
}

func TestInputsSurviveTheirText(t *testing.T) {
	in := Input{Key: "k 1", ID: 12, N: 3, Mark: MarkTrap, Pad: "a b  c"}
	got, err := ParseInput([]byte(in.Key), in.Value())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "1", "1 2 - 0 x", "a 2 - 00000000 x", "12 3 trap"} {
		if _, err := ParseInput([]byte("k"), []byte(bad)); err == nil {
			t.Errorf("%q is taken for an input", bad)
		}
	}
	if _, err := ParseInput([]byte("k2"), in.Value()); err == nil {
		t.Error("an input under another key is taken")
	}
}

func FuzzParseInput(f *testing.F) {
	f.Add([]byte("k"), []byte("1 2 - 00000000 pad"))
	f.Add([]byte(""), []byte("-1 9223372036854775807 error deadbeef "))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		in, err := ParseInput(key, value)
		if err != nil {
			return
		}
		again, err := ParseInput(key, in.Value())
		if err != nil || again != in {
			t.Errorf("%q becomes %+v and then %+v, %v", value, in, again, err)
		}
	})
}

// Vectors of Java's murmur2 (Utils.murmur2), as clients publish them.
func TestMurmur2IsJavas(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2(key)); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestJournalIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := CreateJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Add([]Ack{{1, 20, 300}, {2, 0, 301}}, []int64{7, 8}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := ReadJournal(f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j.Acked, got.Acked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(j.Aborted, got.Aborted); diff != "" {
		t.Error(diff)
	}
}
