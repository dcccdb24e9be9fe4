// Command all holds the guests that both SDKs have under the same names with
// the same behaviour: golden tests run over the Go and the Rust module alike.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

func main() {}

func init() {
	slip.Handle("identity", identity, slip.Stateless())
	slip.Handle("tee", tee, audit, slip.Stateless())
	slip.Handle("drop", drop, slip.Stateless())
	slip.Handle("explode", explode, explodeN, slip.Stateless())
	slip.Handle("flood", flood, floodN, slip.Stateless())
	slip.Handle("meta", meta, slip.Stateless())
	slip.Handle("stamp", stamp, slip.Stateless())
	slip.Handle("log", logLine, slip.Stateless())
}
