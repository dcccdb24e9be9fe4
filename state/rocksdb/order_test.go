package rocksdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sliphost/sliphost/state"
)

// Writes come out by family and key, those of one key in the sequence of the
// batch; where a range is removed nothing is moved.
func TestWritesAreOrderedByKey(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var o order
	for range 200 {
		var b state.Batch
		for range sortedFrom + rnd.IntN(100) {
			key := bytes.Repeat([]byte{byte(rnd.IntN(3))}, rnd.IntN(20))
			key = append(key, byte(rnd.IntN(3)))
			if rnd.IntN(3) == 0 {
				b.Delete(rnd.IntN(2), nil, key)
			} else {
				b.Put(rnd.IntN(2), []byte("p"), key, bytes.Repeat(key, rnd.IntN(3)))
			}
		}
		at := o.of(&b)
		if len(at) != b.Count {
			t.Fatalf("%d of %d writes", len(at), b.Count)
		}
		seen := map[uint32]bool{}
		for i, a := range at {
			seen[a] = true
			if i == 0 {
				continue
			}
			f0, _, k0, _ := head(b.Buf, int(at[i-1]))
			f1, _, k1, _ := head(b.Buf, int(a))
			if f0 > f1 || f0 == f1 && (bytes.Compare(k0, k1) > 0 || bytes.Equal(k0, k1) && at[i-1] > a) {
				t.Fatalf("family %d %x at %d before family %d %x at %d", f0, k0, at[i-1], f1, k1, a)
			}
		}
		if len(seen) != b.Count {
			t.Fatalf("%d of %d writes are there", len(seen), b.Count)
		}
		b.DeleteRange(0, []byte("a"), []byte("b"))
		if at := o.of(&b); at != nil {
			t.Fatalf("a batch that removes a range was ordered: %v", at)
		}
		o.release()
	}
}

// A key written several times in a large batch has its last state, with and
// without a removed range beside it.
func TestALargeBatchMeansWhatItSays(t *testing.T) {
	for _, ranged := range []bool{false, true} {
		d, _ := mustOpen(t, t.TempDir(), testOptions())
		var b state.Batch
		for i := range 5000 {
			key := []byte(fmt.Sprintf("%06d", i*7919%1000))
			b.Put(1, nil, key, fmt.Appendf(nil, "old%d", i))
			b.Delete(1, nil, key)
			if i%2 == 0 {
				b.Put(1, nil, key, fmt.Appendf(nil, "new%d", i))
			}
		}
		if ranged {
			b.DeleteRange(1, []byte("000000"), []byte("000500"))
			b.Put(1, nil, []byte("000007"), []byte("after"))
		}
		if err := d.Write(&b); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for i := range 5000 {
			key := fmt.Sprintf("%06d", i*7919%1000)
			if delete(want, key); i%2 == 0 {
				want[key] = fmt.Sprintf("new%d", i)
			}
		}
		if ranged {
			for i := range 500 {
				delete(want, fmt.Sprintf("%06d", i))
			}
			want["000007"] = "after"
		}
		for i := range 1000 {
			key := fmt.Sprintf("%06d", i)
			v, ok, err := d.Get(1, []byte(key), nil)
			if w, there := want[key]; err != nil || ok != there || string(v) != w {
				t.Fatalf("%s: %q, %v, %v; wanted %q, %v", key, v, ok, err, w, there)
			}
		}
	}
}
