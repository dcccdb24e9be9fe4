// Command go is the module of example 02: zero, one or two outputs a record.
package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func init() { slip.Handle("numbers", numbers, slip.Stateless()) }

func main() {}

// numbers says what it knows about a number: zero is even too, of an odd one
// there is nothing to say. A line that is no number fails.
func numbers(c *slip.Call, rec slip.Record) error {
	n, err := strconv.Atoi(string(rec.Value))
	if err != nil {
		return err
	}
	if n == 0 {
		c.Emit(nil, []byte("zero: "+strconv.Itoa(n)))
	}
	if n%2 == 0 {
		c.Emit(nil, []byte("even: "+strconv.Itoa(n)))
	}
	return nil
}
