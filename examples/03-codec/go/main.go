// Command go is the module of example 03: a codec of its own, and handlers that
// see values whatever the bytes of their topics are.
package main

import (
	"bytes"
	"errors"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func init() {
	slip.HandleCodec("reading", reading{})
	slip.Handle("convert", convert)
	slip.Handle("show", show)
}

func main() {}

// reading is the form "STATION CELSIUS".
type reading struct{}

func (reading) Decode(_ *slip.Call, _ slip.Coded, wire []byte, w *slip.Writer) error {
	station, degrees, ok := bytes.Cut(wire, []byte(" "))
	celsius, err := strconv.ParseFloat(string(degrees), 64)
	if !ok || err != nil {
		return errors.New("not a station and its degrees, such as \"AMS 11.5\"")
	}
	w.Map(2)
	w.Str("station")
	w.Str(string(station))
	w.Str("celsius")
	w.Float(celsius)
	return nil
}

func (reading) Encode(_ *slip.Call, _ slip.Coded, v slip.Value, dst []byte) ([]byte, error) {
	dst = append(dst, v.Get("station").Str()...)
	return strconv.AppendFloat(append(dst, ' '), v.Get("celsius").Float(), 'f', -1, 64), nil
}

// convert emits the reading with a word for it. The field note is left out:
// the schema has a default.
func convert(c *slip.Call, rec slip.Record) error {
	celsius := rec.Doc().Get("celsius").Float()
	scale := "MILD"
	switch {
	case celsius < 10:
		scale = "COLD"
	case celsius >= 25:
		scale = "HOT"
	}
	c.EmitValue(rec.Key, rec.Doc().Edit().Set("scale", scale))
	return nil
}

// show emits what it gets.
func show(c *slip.Call, rec slip.Record) error {
	c.EmitValue(nil, rec.Doc())
	return nil
}
