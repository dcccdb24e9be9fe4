// Command handlers is the module: the handlers that manifest.toml binds to
// topics. It is compiled to WebAssembly; `go test` runs it natively.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

var greeting = slip.StringParam("greeting", "Hello", "what each name is greeted with")

func init() { slip.Handle("hello", hello, greeting, slip.Stateless()) }

func main() {}

// hello answers {"name": "Ada"} with {"text": "Hello, Ada!"}. A record without
// a name fails, and the handler's on_error policy decides what becomes of it.
func hello(c *slip.Call, rec slip.Record) error {
	name := rec.Doc().Get("name").Str()
	if name == "" {
		return slip.Drop("nobody to greet")
	}
	c.EmitValue(rec.Key, c.NewMap().Set("text", greeting.Get(c)+", "+name+"!"))
	return nil
}
