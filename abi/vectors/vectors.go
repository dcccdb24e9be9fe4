// Package vectors embeds the byte vectors of the ABI; README.md tells their
// form, package abitest reads them.
package vectors

import "embed"

//go:generate go run ../internal/vectorgen -out .

// Files holds the vectors, one file a message.
//
//go:embed *.json
var Files embed.FS
