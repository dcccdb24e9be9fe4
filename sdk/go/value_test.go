package slip_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

const document = `{"name":"DTW","delay":66,"ratio":1.5,"late":true,"gone":null,"legs":[{"to":"LAS"},{"to":"SFO"}],"big":18446744073709551615}`

func TestDocumentsAreReadInPlace(t *testing.T) {
	got := sendJSON(t, func(c *slip.Call, rec slip.Record) error {
		d := rec.Doc()
		var legs []string
		for _, leg := range d.Get("legs").All() {
			legs = append(legs, leg.Get("to").Str())
		}
		var names []string
		for name := range d.Fields() {
			names = append(names, name)
		}
		for what, ok := range map[string]bool{
			"strings":  d.Get("name").Str() == "DTW" && string(d.Get("name").Bytes()) == "DTW",
			"integers": d.Get("delay").Int() == 66 && d.Get("delay").Float() == 66,
			"floats":   d.Get("ratio").Float() == 1.5,
			"bools":    d.Get("late").Bool(),
			"null":     d.Get("gone").IsNull() && d.Get("gone").Exists() && d.Get("gone").Kind() == slip.KindNull,
			"missing":  !d.Get("none").Exists() && !d.Get("none").IsNull() && d.Get("none").Kind() == slip.KindMissing,
			"deep":     !d.Get("none").Get("x").At(3).Exists() && !d.Get("gone").Get("x").Exists(),
			"defaults": d.Get("none").IntOr(7) == 7 && d.Get("gone").StrOr("x") == "x" && d.Get("none").FloatOr(2) == 2 && d.Get("gone").BoolOr(true),
			"present":  d.Get("delay").IntOr(7) == 66 && d.Get("name").StrOr("x") == "DTW" && d.Get("ratio").FloatOr(2) == 1.5 && d.Get("late").BoolOr(false),
			"at":       d.Get("legs").At(1).Get("to").Str() == "SFO" && !d.Get("legs").At(2).Exists() && !d.Get("legs").At(-1).Exists(),
			"len":      d.Len() == 7 && d.Get("legs").Len() == 2 && d.Get("none").Len() == 0,
			"all":      cmp.Equal(legs, []string{"LAS", "SFO"}),
			"fields":   cmp.Equal(names, []string{"name", "delay", "ratio", "late", "gone", "legs", "big"}),
			"absent":   d.Get("none").Raw() == nil,
			"call doc": c.Doc(d.Get("legs").Raw()).At(0).Get("to").Str() == "LAS" && c.Doc(nil).IsNull(),
		} {
			if !ok {
				t.Errorf("%s are read wrongly", what)
			}
		}
		return nil
	}, document)
	if len(got.Errors) > 0 {
		t.Error(got.Errors)
	}
}

// TestReadsThatDoNotFitFailTheRecord: no wrong zero may leave a handler that
// checks nothing.
func TestReadsThatDoNotFitFailTheRecord(t *testing.T) {
	for want, read := range map[string]func(d slip.Value){
		`field "name": want integer, got string`:           func(d slip.Value) { d.Get("name").Int() },
		`field "none": want integer, got nothing`:          func(d slip.Value) { d.Get("none").Int() },
		`field "gone": want integer, got null`:             func(d slip.Value) { d.Get("gone").Int() },
		`field "ratio": want integer, got float`:           func(d slip.Value) { d.Get("ratio").Int() },
		`field "name": want float, got string`:             func(d slip.Value) { d.Get("name").Float() },
		`field "delay": want bool, got integer`:            func(d slip.Value) { d.Get("delay").Bool() },
		`field "delay": want string, got integer`:          func(d slip.Value) { d.Get("delay").Str() },
		`field "delay": want bytes, got integer`:           func(d slip.Value) { d.Get("delay").Bytes() },
		`field "delay": want map, got integer`:             func(d slip.Value) { d.Get("delay").Get("x") },
		`field "delay": want array, got integer`:           func(d slip.Value) { d.Get("delay").At(0) },
		`field "name": want array, got string`:             func(d slip.Value) { d.Get("name").Len() },
		`field "legs": want map, got array`:                func(d slip.Value) { d.Get("legs").Edit() },
		`field "name": want integer, got string (default)`: func(d slip.Value) { d.Get("name").IntOr(5) },
		`integer within 64 signed bits`:                    func(d slip.Value) { d.Get("big").Int() },
		`field "legs": want map, got array (fields)`: func(d slip.Value) {
			for range d.Get("legs").Fields() {
				break
			}
		},
		`want array, got map`: func(d slip.Value) {
			for range d.All() {
				break
			}
		},
	} {
		got := sendJSON(t, func(c *slip.Call, rec slip.Record) error {
			read(rec.Doc())
			if c.Err() == nil {
				t.Errorf("%s: Err says nothing", want)
			}
			c.EmitValue(nil, "must not be seen")
			return slip.Drop("a conclusion from the zero it got")
		}, document)
		want, _, _ = strings.Cut(want, " (")
		if len(got.Outputs) > 0 || len(got.Errors) != 1 || got.Errors[0].Code != "decode" || !strings.Contains(got.Errors[0].Message, want) {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

func TestDocumentsAreBuiltAndEdited(t *testing.T) {
	got := sendJSON(t, func(c *slip.Call, rec slip.Record) error {
		m := rec.Doc().Edit()
		m.Set("delay", 67).Set("new", c.NewMap().Set("list", c.NewList().Append(1).Append("x").Append(nil)))
		m.Delete("legs").Delete("big").Delete("not there")
		m.Set("first", rec.Doc().Get("legs").At(0)).Set("none", rec.Doc().Get("none"))
		if m.Get("delay").Int() != 67 || m.Get("nope").Exists() || m.Len() != 8 {
			t.Errorf("the map under construction reads wrongly: %d fields", m.Len())
		}
		c.EmitValue(rec.Key, m)
		c.EmitValue(rec.Key, rec.Doc()) // unchanged
		for _, v := range []any{nil, "s", true, 1, int32(2), int64(-3), uint32(4), uint64(5), 1.5} {
			c.EmitValue(nil, v)
		}
		return nil
	}, document)
	want := []string{
		`{"name":"DTW","delay":67,"ratio":1.5,"late":true,"gone":null,"new":{"list":[1,"x",null]},"first":{"to":"LAS"},"none":null}`,
		document, `null`, `"s"`, `true`, `1`, `2`, `-3`, `4`, `5`, `1.5`,
	}
	var values []string
	for _, o := range got.Outputs {
		values = append(values, string(o.Value))
	}
	if diff := cmp.Diff(want, values); diff != "" || len(got.Errors) > 0 {
		t.Errorf("%s%v", diff, got.Errors)
	}
}

func TestRepresentationsAreExplained(t *testing.T) {
	str := func(into *string) slip.Func {
		return func(c *slip.Call, rec slip.Record) error { return rec.Decode(into) }
	}
	var s string
	var n int
	type odd struct{}
	for _, tc := range []struct {
		name         string
		fn           slip.Func
		source, sink string
		want         string
	}{
		{"decode bytes", str(&s), "raw", "raw", `source "in" gives bytes: set codec = "json" on its topic`},
		{"doc of bytes", func(c *slip.Call, rec slip.Record) error { rec.Doc(); return nil }, "raw", "raw", `source "in" gives bytes`},
		{"key doc of bytes", func(c *slip.Call, rec slip.Record) error { rec.KeyDoc(); return nil }, "json", "raw", `set key_codec = "json"`},
		{"decode text into a number", func(c *slip.Call, rec slip.Record) error { return rec.Decode(&n) }, "string", "raw", "gives text: decode into a string"},
		{"decode into what cannot be", func(c *slip.Call, rec slip.Record) error { return rec.Decode(&odd{}) }, "json", "raw", "slipgen"},
		{"value to bytes", func(c *slip.Call, rec slip.Record) error { c.EmitValue(nil, "x"); return nil }, "raw", "raw", `takes bytes: use Emit, or set codec = "json"`},
		{"number to text", func(c *slip.Call, rec slip.Record) error { c.EmitValue(nil, 5); return nil }, "raw", "string", "takes text: give EmitValue a string"},
		{"what cannot be encoded", func(c *slip.Call, rec slip.Record) error { c.EmitValue(nil, odd{}); return nil }, "raw", "json", "slipgen"},
		{"set what cannot be", func(c *slip.Call, rec slip.Record) error { c.NewMap().Set("x", odd{}); return nil }, "raw", "json", "slipgen"},
	} {
		run = tc.fn
		h := sliptest.New(t, "run", sliptest.Codec(tc.source), sliptest.Sink("audit", tc.sink))
		got := h.Send(sliptest.KV("k", `"v"`))
		if len(got.Outputs) > 0 || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, tc.want) {
			t.Errorf("%s: %+v, want %s", tc.name, got, tc.want)
		}
	}
	got := send(t, func(c *slip.Call, rec slip.Record) error { c.EmitValue(nil, 1); return nil },
		sliptest.KV("k", "v"), sliptest.Sink("audit", "json"), sliptest.Sink("out", "raw"))
	if len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "different representations") {
		t.Errorf("sinks of two representations: %+v", got)
	}
}

func TestTextIsAString(t *testing.T) {
	run = func(c *slip.Call, rec slip.Record) error {
		var s string
		var b []byte
		if err := rec.Decode(&s); err != nil {
			return err
		}
		if err := rec.Decode(&b); err != nil {
			return err
		}
		d := rec.Doc()
		if s != "text" || string(b) != s || d.Str() != s || d.Kind() != slip.KindString || string(d.Raw()) != "\xa4text" {
			t.Errorf("%q %q %q", s, b, d.Str())
		}
		c.EmitValue(nil, s+"!")
		c.EmitValue(nil, d)
		return nil
	}
	got := sliptest.New(t, "run", sliptest.Codec("string")).Send(sliptest.KV("k", "text"))
	if len(got.Outputs) != 2 || string(got.Outputs[0].Value) != "text!" || string(got.Outputs[1].Value) != "text" || len(got.Errors) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTombstonesAreNull(t *testing.T) {
	run = func(c *slip.Call, rec slip.Record) error {
		if !rec.Doc().IsNull() || rec.Value != nil {
			t.Error("a tombstone is not null")
		}
		c.Emit(rec.Key, nil)
		return nil
	}
	for _, codec := range []string{"raw", "string", "json"} {
		got := sliptest.New(t, "run", sliptest.Codec(codec)).Send(sliptest.Record{Key: []byte("k")})
		if len(got.Outputs) != 1 || got.Outputs[0].Value != nil || len(got.Errors) > 0 {
			t.Errorf("%s: %+v", codec, got)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte("\x81\xa1a\x01"))
	f.Add([]byte("\x92\x01\xc0"))
	f.Add([]byte("\xdf\xff\xff\xff\xff"))
	f.Add([]byte("\x81\x01\x81\xc4\x01b\xcb"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		run = func(c *slip.Call, rec slip.Record) error {
			d := c.Doc(raw)
			walk(d, 0)
			d.Edit().Set("x", d).Get("x").Get("a").Int()
			d.Get("a").At(1).Str()
			return nil
		}
		sliptest.New(t, "run").Send(sliptest.KV("k", "v"))
	})
}

// walk reads everything in v; what it must not do is panic or never end.
func walk(v slip.Value, depth int) {
	if depth > 80 {
		panic("deeper than any value may be")
	}
	v.Int()
	v.Float()
	v.Bool()
	v.Str()
	v.Len()
	for _, e := range v.All() {
		walk(e, depth+1)
	}
	for _, e := range v.Fields() {
		walk(e, depth+1)
	}
}
