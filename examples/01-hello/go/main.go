// Command go is the module of example 01: it passes records on.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

func init() { slip.Handle("hello", hello, slip.Stateless()) }

func main() {}

// hello emits every record as it came: key, value, headers and, because an
// output has its input's timestamp unless it says otherwise, the timestamp.
func hello(c *slip.Call, rec slip.Record) error {
	c.EmitRecord(slip.Out{Key: rec.Key, Value: rec.Value, Headers: rec.Headers()})
	return nil
}
