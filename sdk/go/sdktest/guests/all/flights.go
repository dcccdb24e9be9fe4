package main

import slip "github.com/sliphost/sliphost/sdk/go"

var lateMinutes = slip.IntParam("minutes", 15, "delay above which a flight is late")

func init() {
	slip.Handle("flights-late", flightsLate, lateMinutes, slip.Stateless())
	slip.Handle("rename", rename, slip.Stateless())
}

// flightsLate emits flights that are later than the parameter says, with one
// more field.
func flightsLate(c *slip.Call, rec slip.Record) error {
	flight := rec.Doc()
	if flight.Get("delay").Int() <= int64(lateMinutes.Get(c)) {
		return nil
	}
	c.EmitValue(rec.Key, flight.Edit().Set("late", true))
	return nil
}

// rename emits a flight after a round trip through a typed value.
func rename(c *slip.Call, rec slip.Record) error {
	var f flight
	if err := rec.Decode(&f); err != nil {
		return err
	}
	c.EmitValue(rec.Key, &f)
	return nil
}

// flight is a line of flights.ndjson.
type flight struct {
	Date                string
	Delay, Distance     int64
	Origin, Destination string
}

// UnmarshalMsgpack implements slip.Unmarshaler.
func (f *flight) UnmarshalMsgpack(r *slip.Reader) error {
	for name := range r.Fields() {
		switch name {
		case "date":
			f.Date = r.String()
		case "delay":
			f.Delay = r.Int()
		case "distance":
			f.Distance = r.Int()
		case "origin":
			f.Origin = r.String()
		case "destination":
			f.Destination = r.String()
		default:
			r.Skip()
		}
	}
	return r.Err()
}

// MarshalMsgpack implements slip.Marshaler.
func (f *flight) MarshalMsgpack(w *slip.Writer) error {
	w.Map(5)
	w.Str("date")
	w.Str(f.Date)
	w.Str("delay")
	w.Int(f.Delay)
	w.Str("distance")
	w.Int(f.Distance)
	w.Str("origin")
	w.Str(f.Origin)
	w.Str("destination")
	w.Str(f.Destination)
	return nil
}
