// Command chaos holds the handlers that the crash tests run. The Rust SDK has
// the same ones with the same behaviour, and cmd/sliphost/chaos/checker an
// independent model of what they emit and keep.
//
// An input's value is text: "ID N MARK CRC PAD". ID is unique, N counts the
// records of its key from 1, MARK says what the handler poison does with it.
// Values of caches are text, too: "COUNT SUM" of the ids seen.
package main

import (
	"errors"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func main() {}

var (
	counts    = slip.Cache("counts")    // count: key -> "COUNT SUM"
	seen      = slip.Cache("seen")      // hop: key -> its last id
	hops      = slip.Cache("hops")      // hop-read: key -> records through the proxy
	survivors = slip.Cache("survivors") // poison: key -> "COUNT SUM" of what did not fail
	groups    = slip.Cache("groups")    // group: group -> "COUNT SUM"
)

func init() {
	slip.Handle("pass", pass, slip.Stateless())
	slip.Handle("fan", fan, slip.Stateless())
	slip.Handle("count", count, counts)
	slip.Handle("hop", hop, seen)
	slip.Handle("hop-read", hopRead, seen, hops)
	slip.Handle("poison", poison, survivors)
	slip.Handle("rekey", rekey, slip.Stateless())
	slip.Handle("group", group, groups)
}

// pass emits the record as it is.
func pass(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	return nil
}

// fan emits "ID N I" for each I below ID mod 4: nothing for a quarter of them.
func fan(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	for i := range in.id % 4 {
		c.Emit(rec.Key, line(in.id, in.n, i))
	}
	return nil
}

// count keeps a count and a sum of ids for each key and emits "ID COUNT SUM".
func count(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	n, sum, err := add(c, counts, rec.Key, in.id)
	if err != nil {
		return err
	}
	c.Emit(rec.Key, line(in.id, n, sum))
	return nil
}

// hop notes the id under the key and emits the record once or, if the id is
// odd, twice to a proxy.
func hop(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	if err := seen.Put(c, rec.Key, line(in.id)); err != nil {
		return err
	}
	for range 1 + in.id%2 {
		c.Emit(rec.Key, rec.Value)
	}
	return nil
}

// hopRead emits "ID N NOTED HOPS" with the id that hop noted last, which is
// the record's own, and the number of records of the key so far.
func hopRead(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	text, ok, err := seen.Get(c, rec.Key)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("hop has noted nothing under this key")
	}
	noted, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return err
	}
	n, _, err := add(c, hops, rec.Key, in.id)
	if err != nil {
		return err
	}
	c.Emit(rec.Key, line(in.id, in.n, noted, n))
	return nil
}

// poison counts as count does, in its own cache, and emits "ID COUNT SUM";
// then it fails as the record's mark says, so that both must be undone.
func poison(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	n, sum, err := add(c, survivors, rec.Key, in.id)
	if err != nil {
		return err
	}
	c.Emit(rec.Key, line(in.id, n, sum))
	switch in.mark {
	case "error":
		return errors.New("the record is marked")
	case "trap":
		panic("the record is marked")
	case "retry":
		return slip.Retry(10, "the record is marked")
	case "drop":
		return slip.Drop("the record is marked")
	}
	return nil
}

// rekey emits "ID N KEY" under one of seven other keys.
func rekey(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	value := append(line(in.id, in.n), ' ')
	c.Emit(append([]byte("g"), '0'+byte(in.id%7)), append(value, rec.Key...))
	return nil
}

// group counts what rekey emits and emits "ID COUNT SUM" under its key.
func group(c *slip.Call, rec slip.Record) error {
	in, err := parse(rec.Value)
	if err != nil {
		return err
	}
	n, sum, err := add(c, groups, rec.Key, in.id)
	if err != nil {
		return err
	}
	c.Emit(rec.Key, line(in.id, n, sum))
	return nil
}
