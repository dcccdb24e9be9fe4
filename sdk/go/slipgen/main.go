// Command slipgen writes the msgpack methods of a package's structs; see
// package gen. It takes the package's folder, the current one by default, so
// that this works:
//
//	//go:generate go run github.com/sliphost/sliphost/sdk/go/slipgen
package main

import (
	"os"

	"github.com/sliphost/sliphost/sdk/go/gen"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if len(os.Args) > 2 {
		fail("usage: slipgen [folder]")
	}
	found, err := gen.Dir(dir)
	if err != nil {
		fail(err.Error())
	}
	if !found {
		fail("no struct in " + dir + " has a field with a slip tag")
	}
}

func fail(text string) {
	os.Stderr.WriteString("slipgen: " + text + "\n")
	os.Exit(1)
}
