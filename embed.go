// Package sliphost holds the sources that `sliphost new` writes into a new
// project, so that it builds with the binary alone and without a network.
package sliphost

import "embed"

// Sources are the SDKs of both languages with what they need, at their paths
// in this repository. Go's test files are among them; writers leave them out.
//
//go:embed LICENSE abi/*.go sdk/go/*.go sdk/go/internal/link/*.go sdk/go/internal/memory/*.go sdk/go/sliptest/*.go sdk/go/gen/*.go sdk/go/slipgen/*.go
//go:embed sdk/rust/sliphost/Cargo.toml sdk/rust/sliphost/src
var Sources embed.FS
