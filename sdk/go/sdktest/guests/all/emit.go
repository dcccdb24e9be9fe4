package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	audit    = slip.Sink("audit")
	explodeN = slip.IntParam("n", 3, "outputs per record")
	floodN   = slip.IntParam("n", 1000, "outputs per record, 100 bytes each")
)

// identity passes a record on with its headers.
func identity(c *slip.Call, rec slip.Record) error {
	c.EmitRecord(slip.Out{Key: rec.Key, Value: rec.Value, Headers: rec.Headers()})
	return nil
}

// tee emits a record to every sink, then once more to the sink audit.
func tee(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	audit.Emit(c, rec.Key, rec.Value)
	return nil
}

// drop emits nothing.
func drop(*slip.Call, slip.Record) error { return nil }

// explode emits n records with the input's key; the value is the number in
// decimal.
func explode(c *slip.Call, rec slip.Record) error {
	var buf [20]byte
	for i := range explodeN.Get(c) {
		text := strconv.AppendInt(buf[:0], int64(i), 10)
		c.Emit(rec.Key, text)
	}
	return nil
}

// flood emits n records with the input's key and 100 bytes of 'x'.
func flood(c *slip.Call, rec slip.Record) error {
	var value [100]byte
	for i := range value {
		value[i] = 'x'
	}
	for range floodN.Get(c) {
		c.Emit(rec.Key, value[:])
	}
	return nil
}

// meta emits "topic partition offset timestamp key headercount"; an absent key
// is "nil".
func meta(c *slip.Call, rec slip.Record) error {
	key := "nil"
	if rec.Key != nil {
		key = string(rec.Key)
	}
	b := append([]byte(rec.Topic()), ' ')
	b = append(strconv.AppendInt(b, int64(rec.Partition), 10), ' ')
	b = append(strconv.AppendInt(b, rec.Offset, 10), ' ')
	b = append(strconv.AppendInt(b, rec.Timestamp, 10), ' ')
	b = append(append(b, key...), ' ')
	b = strconv.AppendInt(b, int64(rec.Headers().Len()), 10)
	c.Emit(rec.Key, b)
	return nil
}

// stamp passes key and value on to partition 0, one millisecond later, with a
// header.
func stamp(c *slip.Call, rec slip.Record) error {
	h := slip.Headers{}.Add("seen", []byte("1"))
	c.EmitRecord(slip.Out{Key: rec.Key, Value: rec.Value, Headers: h}.At(rec.Timestamp + 1).To(0))
	return nil
}

// logLine logs the value and counts it.
func logLine(c *slip.Call, rec slip.Record) error {
	c.Info(string(rec.Value))
	c.Count("lines", 1)
	return nil
}
