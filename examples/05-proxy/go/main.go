// Command go is the module of example 05: two handlers, one behind the other.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

func init() {
	slip.Handle("wrap", wrap, slip.Stateless())
	slip.Handle("show", show, slip.Stateless())
}

func main() {}

// wrap puts a value into a sentence.
func wrap(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, []byte("Proxied "+string(rec.Value)+"!"))
	return nil
}

// show passes a value on.
func show(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	return nil
}
