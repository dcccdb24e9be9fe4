// Command go is the module of example 10: flights get the names of their
// airports from a table that is kept whole in every process.
package main

import (
	"errors"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var airports = slip.Cache("airports")

func init() { slip.Handle("name", name, airports) }

func main() {}

// name emits a flight with the places of its two airports. A flight from or to
// an airport that is not in the table fails.
func name(c *slip.Call, rec slip.Record) error {
	flight := rec.Doc()
	from, err := place(c, flight.Get("origin").Str())
	if err != nil {
		return err
	}
	to, err := place(c, flight.Get("destination").Str())
	if err != nil {
		return err
	}
	c.EmitValue(rec.Key, c.NewMap().
		Set("date", flight.Get("date")).
		Set("delay", flight.Get("delay")).
		Set("from", from).
		Set("to", to))
	return nil
}

// place returns the city and state of an airport.
func place(c *slip.Call, code string) (string, error) {
	value, ok, err := airports.Get(c, []byte(code))
	if err != nil {
		return "", err
	}
	if !ok {
		return "", errors.New("unknown airport " + code)
	}
	airport := c.Doc(value)
	return airport.Get("city").Str() + ", " + airport.Get("state").Str(), nil
}
