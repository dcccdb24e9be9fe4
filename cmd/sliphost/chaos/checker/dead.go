package checker

import (
	"bytes"
	"fmt"
	"strconv"
)

// letterOf is the input that a dead letter says it is of, or nil.
func (c *checking) letterOf(r *Record) *source {
	id, ok := idOf(r.Value)
	if !ok {
		return nil
	}
	return c.model.inputs[id]
}

// deadLetters compares the dead-letter topic with the marked inputs.
func (c *checking) deadLetters() {
	t := c.Dead
	due := map[int64]*source{}
	for _, s := range c.model.letters {
		due[s.ID] = s
	}
	first := map[int64]place{}
	for p, recs := range t.Parts {
		for i := range recs {
			r := &recs[i]
			here, key := place{t.Name, p, r.Offset}, string(r.Key)
			s := c.letterOf(r)
			if s == nil || due[s.ID] == nil {
				got := cut(string(r.Value))
				reason, _ := r.header("slip.error")
				c.report("I9", t, p, r.Offset, key, "only marked records", fmt.Sprintf("%q (%s)", got, cut(reason)))
				continue
			}
			if at, twice := first[s.ID]; twice {
				if c.Delivery == ExactlyOnce {
					c.report("I9", t, p, r.Offset, key, c.from(s.ID)+" once", "it again: first "+at.String())
				}
				continue
			}
			first[s.ID] = here
			c.original(t, p, r, s)
		}
	}
	for _, s := range c.model.letters {
		if _, ok := first[s.ID]; !ok {
			c.report("I9", t, -1, -1, s.Key, "a dead letter for "+c.from(s.ID), "none")
		}
	}
}

// original compares a dead letter with the record it is of.
func (c *checking) original(t *Topic, p int, r *Record, s *source) {
	wrong := func(what, expected, got string) {
		c.report("I9", t, p, r.Offset, string(r.Key), fmt.Sprintf("%s %q of %s", what, cut(expected), c.from(s.ID)), strconv.Quote(cut(got)))
	}
	if !bytes.Equal(r.Key, s.record.Key) {
		wrong("the key", string(s.record.Key), string(r.Key))
	}
	if !bytes.Equal(r.Value, s.record.Value) {
		wrong("the value", string(s.record.Value), string(r.Value))
	}
	for i, h := range s.record.Headers {
		if i >= len(r.Headers) || r.Headers[i].Name != h.Name || !bytes.Equal(r.Headers[i].Value, h.Value) {
			wrong("the header "+h.Name, string(h.Value), fmt.Sprint(r.Headers))
		}
	}
	for name, expected := range map[string]string{
		"slip.handler":   c.DeadHandler,
		"slip.topic":     c.Input.Name,
		"slip.partition": strconv.Itoa(s.partition),
		"slip.offset":    strconv.FormatInt(s.offset, 10),
	} {
		if got, _ := r.header(name); got != expected {
			wrong("the header "+name, expected, got)
		}
	}
}
