package main

import (
	"errors"
	"strconv"
	"strings"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	entries = slip.Cache("entries")
	ints    = slip.Cache("ints")
	floats  = slip.Cache("floats")
	bools   = slip.Cache("bools")
)

func init() {
	slip.Handle("scan", func(c *slip.Call, rec slip.Record) error { return commands(c, rec, scan) }, entries)
	slip.Handle("typed", func(c *slip.Call, rec slip.Record) error { return commands(c, rec, typed) }, ints, floats, bools)
}

// command is a word with its fields.
type command []string

// field returns field i, empty if there is none.
func (c command) field(i int) []byte {
	if i < len(c) {
		return []byte(c[i])
	}
	return []byte{}
}

// int returns field i as a number, 0 if it is none.
func (c command) int(i int) int64 {
	n, _ := strconv.ParseInt(string(c.field(i)), 10, 64)
	return n
}

// commands hands the commands of a value to do, which says whether it knows
// them.
func commands(c *slip.Call, rec slip.Record, do func(*slip.Call, command) (known bool, err error)) error {
	for text := range strings.SplitSeq(string(rec.Value), "|") {
		known, err := do(c, strings.Split(text, ":"))
		if err != nil {
			return err
		}
		if !known {
			return errors.New("unknown command: " + text)
		}
	}
	return nil
}

// scan reads and writes a cache by command.
func scan(c *slip.Call, cmd command) (known bool, err error) {
	one, two := cmd.field(1), cmd.field(2)
	switch cmd[0] {
	case "put":
		return true, entries.Put(c, one, two)
	case "del":
		return true, entries.Delete(c, one)
	case "delrange":
		return true, entries.DeleteRange(c, one, two)
	case "get":
		value, _, err := entries.Get(c, one)
		c.Emit(one, value)
		return true, err
	case "has":
		ok, err := entries.Contains(c, one)
		c.Emit(one, strconv.AppendBool(nil, ok))
		return true, err
	case "or":
		value, err := entries.GetOr(c, one, two)
		c.Emit(one, value)
		return true, err
	case "many":
		var keys [][]byte
		for i := range cmd[1:] {
			keys = append(keys, cmd.field(1+i))
		}
		values, err := entries.GetMany(c, keys...)
		for i, value := range values {
			c.Emit(keys[i], value)
		}
		return true, err
	case "fill":
		for i := range cmd.int(1) {
			digits := strconv.FormatInt(10000+i, 10)
			if err := entries.Put(c, []byte("k"+digits[1:]), []byte("v")); err != nil {
				return true, err
			}
		}
		return true, nil
	}
	return emitScan(c, cmd), nil
}

// emitScan emits what a scan finds.
func emitScan(c *slip.Call, cmd command) (known bool) {
	r := slip.All()
	name, back := strings.CutPrefix(cmd[0], "back")
	switch name {
	case "from":
		r = slip.From(cmd.field(1))
	case "prefix":
		r = slip.Prefix(cmd.field(1))
	case "range":
		r = slip.Between(cmd.field(1), cmd.field(2))
	}
	if back {
		r = r.Back()
	}
	n := int64(0)
	switch name {
	case "all", "", "from", "prefix", "range":
		for key, value := range entries.Items(c, r) {
			c.Emit(key, value)
		}
	case "keys":
		for key := range entries.Keys(c, r) {
			c.Emit(key, nil)
		}
	case "values":
		for value := range entries.Values(c, r) {
			c.Emit(nil, value)
		}
	case "first":
		for key, value := range entries.Items(c, r) {
			if n == cmd.int(1) {
				break
			}
			c.Emit(key, value)
			n++
		}
	case "number":
		for range entries.Keys(c, r) {
			n++
		}
		c.Emit(nil, text(n))
	case "drain":
		for key := range entries.Keys(c, r) {
			if entries.Delete(c, key) != nil {
				break
			}
			n++
		}
		c.Emit(nil, text(n))
	default:
		return false
	}
	return true
}

// typed is scan for caches with keys of other types.
func typed(c *slip.Call, cmd command) (known bool, err error) {
	number := c.IntKey(cmd.int(1))
	name, back := strings.CutPrefix(cmd[0], "back")
	if strings.HasPrefix(name, "intback") {
		name, back = "int"+name[len("intback"):], true
	}
	r := slip.All()
	switch name {
	case "intfrom":
		r = slip.From(number)
	case "intrange":
		r = slip.Between(number, c.IntKey(cmd.int(2)))
	}
	if back {
		r = r.Back()
	}
	switch name {
	case "int":
		return true, ints.Put(c, number, cmd.field(2))
	case "float":
		return true, floats.Put(c, c.FloatKey(float64(cmd.int(1))/2), cmd.field(2))
	case "bool":
		return true, bools.Put(c, c.BoolKey(cmd[1] == "true"), cmd.field(2))
	case "raw":
		return true, ints.Put(c, cmd.field(1), cmd.field(1))
	case "getint":
		value, _, err := ints.Get(c, number)
		c.Emit(cmd.field(1), value)
		return true, err
	case "ints", "intfrom", "intrange":
		for key, value := range ints.Items(c, r) {
			n, _ := slip.KeyInt(key)
			c.Emit(text(n), value)
		}
	case "floats":
		for key, value := range floats.Items(c, r) {
			f, _ := slip.KeyFloat(key)
			c.Emit(text(int64(2*f)), value)
		}
	case "bools":
		for key, value := range bools.Items(c, r) {
			v, _ := slip.KeyBool(key)
			c.Emit(strconv.AppendBool(nil, v), value)
		}
	default:
		return false, nil
	}
	return true, nil
}
