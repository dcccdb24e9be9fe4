package main

import (
	"bytes"
	"errors"
	"runtime"
	"strconv"
	"strings"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	failText = slip.StringParam("text", "bad", "the value that is refused")
	growMiB  = slip.RequiredInt("mib", "MiB to keep per record")
)

func init() {
	slip.Handle("trap", trap, slip.Stateless())
	slip.Handle("emit-then-trap", emitThenTrap, slip.Stateless())
	slip.Handle("fail-on", failOn, failText, slip.Stateless())
	slip.Handle("drop-on", dropOn, slip.Stateless())
	slip.Handle("retry-on", retryOn, slip.Stateless())
	slip.Handle("grow-memory", growMemory, growMiB)
	slip.Handle("spin-forever", spinForever, slip.Stateless())
}

// trap panics on the value "trap" and passes all others on.
func trap(c *slip.Call, rec slip.Record) error {
	if string(rec.Value) == "trap" {
		panic("the value is trap")
	}
	c.Emit(rec.Key, rec.Value)
	return nil
}

// emitThenTrap panics on the value "bad N", after N outputs of that value and
// allocations of many sizes that stay in use, and passes all others on. What
// may stand behind N, after a space, only makes the value longer.
func emitThenTrap(c *slip.Call, rec slip.Record) error {
	rest, bad := strings.CutPrefix(string(rec.Value), "bad ")
	if !bad {
		c.Emit(rec.Key, rec.Value)
		return nil
	}
	text, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	used = nil
	for i := range n {
		c.Emit(rec.Key, rec.Value)
		if i < 500 {
			keepSome()
		}
	}
	runtime.GC() // frees what the SDK has dropped
	keepSome()
	panic(text + " outputs emitted")
}

// used holds what keepSome allocated.
var used [][]byte

func keepSome() {
	for _, size := range []int{24, 100, 200, 500, 1000, 2000, 4000, 8000} {
		used = append(used, bytes.Repeat([]byte{'Z'}, size))
	}
}

// failOn emits a record, and refuses it when its value is the parameter's: the
// output must not be seen.
func failOn(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	if string(rec.Value) == failText.Get(c) {
		return errors.New("refused: " + string(rec.Value))
	}
	return nil
}

// dropOn is failOn with the error that skips a record.
func dropOn(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	if string(rec.Value) == "drop" {
		return slip.Drop("asked to")
	}
	return nil
}

// retryOn is failOn with the error that asks for another attempt.
func retryOn(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	if string(rec.Value) == "retry" {
		return slip.Retry(50, "asked to")
	}
	return nil
}

// kept holds what growMemory allocated.
var kept [][]byte

// growMemory allocates memory for each record and keeps it.
func growMemory(c *slip.Call, rec slip.Record) error {
	b := make([]byte, growMiB.Get(c)<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	kept = append(kept, b)
	c.Emit(rec.Key, rec.Value)
	return nil
}

// spinForever does not return: n stays odd.
func spinForever(*slip.Call, slip.Record) error {
	n := 1
	for n != 0 {
		n += 2
	}
	return errors.New("came to an end")
}
