// Command identity is the smallest guest: it passes every record on. Its size
// and speed are those of the SDK.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

func init() { slip.Handle("identity", identity, slip.Stateless()) }

func main() {}

func identity(c *slip.Call, rec slip.Record) error {
	c.EmitRecord(slip.Out{Key: rec.Key, Value: rec.Value, Headers: rec.Headers()})
	return nil
}
