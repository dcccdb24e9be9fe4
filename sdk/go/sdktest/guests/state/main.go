// Command state holds the guests that work with caches, which both SDKs have
// under the same names with the same behaviour: testdata/state/README.md says
// what each does, and the cases beside it run over the Go and the Rust module
// alike.
package main

import (
	"bytes"
	"errors"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	counts = slip.Cache("counts")
	odd    = slip.Cache("odd")
	seen   = slip.Cache("seen")
	blobs  = slip.Cache("blobs")
	side   = slip.Cache("side")
)

func main() {}

func init() {
	slip.Handle("count", count, counts)
	slip.Handle("sum-pairs", sumPairs, odd)
	slip.Handle("poison", poison, seen)
	slip.Handle("big", big, blobs)
	slip.Handle("lookup", lookup, side)
}

// count counts the records of each key.
func count(c *slip.Call, rec slip.Record) error {
	n, err := counts.AddInt(c, rec.Key, 1)
	if err != nil {
		return err
	}
	c.Emit(rec.Key, text(n))
	return nil
}

// sumPairs emits the sum of every second number of a key and the one before.
func sumPairs(c *slip.Call, rec slip.Record) error {
	for word := range bytes.SplitSeq(rec.Value, []byte(" ")) {
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return errors.New("\"" + string(word) + "\" is no number")
		}
		waiting, ok, err := odd.GetInt(c, rec.Key)
		if err != nil {
			return err
		}
		if ok {
			c.Emit(rec.Key, text(waiting+n))
			err = odd.Delete(c, rec.Key)
		} else {
			err = odd.PutInt(c, rec.Key, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// poison fails in the way its value says, after a write and an output.
func poison(c *slip.Call, rec slip.Record) error {
	if _, err := seen.AddInt(c, rec.Key, 1); err != nil {
		return err
	}
	c.Emit(rec.Key, rec.Value)
	switch string(rec.Value) {
	case "error":
		return errors.New("poisoned")
	case "drop":
		return slip.Drop("poisoned")
	case "retry":
		return slip.Retry(50, "poisoned")
	case "panic":
		panic("poisoned")
	case "loop":
		for n := 1; n != 0; {
			n += 2 // it stays odd
		}
	case "big":
		if err := seen.Put(c, []byte("big"), bytes.Repeat([]byte("x"), 1_000_000)); err != nil {
			return err
		}
		return errors.New("poisoned")
	}
	return nil
}

// big writes as many bytes as its value says.
func big(c *slip.Call, rec slip.Record) error {
	n, err := strconv.Atoi(string(rec.Value))
	if err != nil {
		return err
	}
	if err := blobs.Put(c, rec.Key, bytes.Repeat([]byte("x"), n)); err != nil {
		return err
	}
	c.Emit(rec.Key, rec.Value)
	return nil
}

// lookup joins with a global cache.
func lookup(c *slip.Call, rec slip.Record) error {
	if string(rec.Value) == "write" {
		return side.Put(c, rec.Key, rec.Value)
	}
	other, err := side.GetOr(c, rec.Key, []byte("none"))
	if err != nil {
		return err
	}
	c.Emit(rec.Key, append(append(bytes.Clone(rec.Value), '='), other...))
	return nil
}

func text(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
