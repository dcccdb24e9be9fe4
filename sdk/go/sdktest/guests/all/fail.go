package main

import (
	"errors"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	failText = slip.StringParam("text", "bad", "the value that is refused")
	growMiB  = slip.RequiredInt("mib", "MiB to keep per record")
)

func init() {
	slip.Handle("trap", trap, slip.Stateless())
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
