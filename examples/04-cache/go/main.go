// Command go is the module of example 04: what a record leaves in a cache
// another handler finds there, and a transaction is kept as a whole or not at
// all.
package main

import (
	"errors"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var emoji = slip.Cache("emoji-by-name")

func init() {
	slip.Handle("keep", keep, emoji)
	slip.Handle("show", show, emoji)
}

func main() {}

// keep puts every field of the record into the cache, or none of them.
func keep(c *slip.Call, rec slip.Record) error {
	err := emoji.Transaction(c, rec.Key, func() error {
		for name, value := range rec.Doc().Fields() {
			picture := value.Str()
			if picture == "" {
				return errors.New(name + " has no picture")
			}
			if err := emoji.Put(c, []byte(name), []byte(picture)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.Emit(nil, []byte("nothing kept: "+err.Error()))
	}
	return nil
}

// show emits the entries whose names begin as the question says.
func show(c *slip.Call, rec slip.Record) error {
	for name, picture := range emoji.Items(c, slip.Prefix(rec.Value)) {
		c.Emit(nil, []byte(string(name)+" "+string(picture)))
	}
	return nil
}
