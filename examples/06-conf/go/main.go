// Command go is the module of example 06: it copies from one cluster to the
// other, which a handler does not see.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

func init() { slip.Handle("copy", copyRecord, slip.Stateless()) }

func main() {}

func copyRecord(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	return nil
}
