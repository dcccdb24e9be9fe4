// Package gentest has a struct of every type that package gen knows; its
// generated file is the golden one of gen's tests.
package gentest

import slip "github.com/sliphost/sliphost/sdk/go"

//go:generate go run github.com/sliphost/sliphost/sdk/go/slipgen

// Flight refers to everything else.
type Flight struct {
	Date     string            `slip:"date"`
	Delay    int               `slip:"delay"`
	Small    int8              `slip:"small"`
	Count    uint16            `slip:"count"`
	Mask     uint64            `slip:"mask"`
	Ratio    float64           `slip:"ratio"`
	Short    float32           `slip:"short"`
	Late     bool              `slip:"late"`
	Raw      []byte            `slip:"raw"`
	Code     Airport           `slip:"code"`
	Gate     *string           `slip:"gate"`
	First    Leg               `slip:"first"`
	Legs     []Leg             `slip:"legs"`
	Grid     [][]int           `slip:"grid"`
	Tags     map[string]string `slip:"tags"`
	ByStop   map[string]*Leg   `slip:"by_stop"`
	Hand     Hand              `slip:"hand"`
	Untagged int
	Remark   string    `slip:"remark,optional"`
	Extra    []string  `slip:"extra,optional"`
	Next     *Flight   `slip:"next,optional"`
	Score    float64   `slip:"score,optional"`
	Codes    Airports  `slip:"codes,optional"`
	Done     Flag      `slip:"done,optional"`
	Left     chan bool `slip:"-"`
	note     string
}

// Note returns what no document holds.
func (f *Flight) Note() string { return f.note }

// Airport is a string.
type Airport string

// Airports is a list of them.
type Airports []Airport

// Flag is a bool.
type Flag bool

// Leg has no tag of its own: Flight asks for its methods.
type Leg struct {
	To  Airport
	Via *Airport
}

// Hand has its methods by hand: an integer stands for it.
type Hand struct{ n int64 }

// MarshalMsgpack implements slip.Marshaler.
func (h *Hand) MarshalMsgpack(w *slip.Writer) error {
	w.Int(h.n)
	return nil
}

// UnmarshalMsgpack implements slip.Unmarshaler.
func (h *Hand) UnmarshalMsgpack(r *slip.Reader) error {
	h.n = r.Int()
	return r.Err()
}

// Plain asks for nothing.
type Plain struct{ A func() }
