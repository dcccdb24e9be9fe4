package codec

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPointerOfTheRFC is the table of RFC 6901, section 5.
func TestPointerOfTheRFC(t *testing.T) {
	doc := `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`
	for at, want := range map[string]string{
		"": doc, "/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": `0`, "/a~1b": `1`, "/c%d": `2`,
		"/e^f": `3`, "/g|h": `4`, `/i\j`: `5`, `/k"l`: `6`, "/ ": `7`, "/m~0n": `8`,
	} {
		p, err := ParsePointer(at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Find([]byte(doc)); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v, want %s", at, got, err, want)
		}
		if p.String() != at {
			t.Errorf("%q comes back as %q", at, p)
		}
	}
}

func TestPointerFind(t *testing.T) {
	doc := ` { "a" : { "b c" : [ 10 , -2.50e3 , [ ] , { "x" : null } ] , "\u00e9\n" : true } , "z":"s\u0041" } `
	for at, want := range map[string]string{
		"/a/b c/0": `10`, "/a/b c/1": `-2.50e3`, "/a/b c/2": `[ ]`, "/a/b c/3/x": `null`,
		"/a/\u00e9\n": `true`, "/z": `"s\u0041"`, "/a/b c/3": `{ "x" : null }`,
	} {
		p, err := ParsePointer(at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Find([]byte(doc)); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v, want %s", at, got, err, want)
		}
		if n := testing.AllocsPerRun(50, func() { _, err = p.Find([]byte(doc)) }); n > 1 || err != nil { // one is the conversion
			t.Errorf("%q: %v allocations", at, n)
		}
	}
	for at, want := range map[string]string{
		"/b":                            `JSON pointer /b: no such value: the document has no member "b"`,
		"/a/c":                          `JSON pointer /a/c: no such value: /a has no member "c"`,
		"/a/b c/4":                      `JSON pointer /a/b c/4: no such value: /a/b c has no element "4"`,
		"/a/b c/-":                      `no such value: /a/b c has no element "-"`,
		"/a/b c/00":                     `no such value: /a/b c has no element "00"`,
		"/a/b c/+1":                     `no such value: /a/b c has no element "+1"`,
		"/a/b c/2/0":                    `no such value: /a/b c/2 has no element "0"`,
		"/a/b c/9999999999999999999999": `no such value`,
		"/z/0":                          `no such value: /z is neither an object nor an array`,
	} {
		p, err := ParsePointer(at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Find([]byte(doc))
		if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %s, %v, want %s", at, got, err, want)
		}
	}
	for _, bad := range []string{"a", "a/b", "/~", "/a~2", "/~~0"} {
		if p, err := ParsePointer(bad); err == nil {
			t.Errorf("%q: got %v", bad, p)
		}
	}
}

func TestAppendText(t *testing.T) {
	for raw, want := range map[string]string{
		`"LAX"`: "LAX", `"a\u0041\n\ud83d\ude00"`: "aA\n\U0001f600", `""`: "", `10.50`: "10.50", `true`: "true",
		`null`: "null", `[ 1 , {"a b" : "c d"} ]`: `[1,{"a b":"c d"}]`, `"` + strings.Repeat("x", 300) + `"`: strings.Repeat("x", 300),
	} {
		if got := string(AppendText([]byte("head"), []byte(raw))); got != "head"+want {
			t.Errorf("%s: got %q", raw, got)
		}
	}
}

func TestTimePointer(t *testing.T) {
	doc := []byte(`{"ms":1517363399650,"rfc":"2018-01-31T01:49:59.65+00:00","date":"2001/01/01 00:47","day":"2012-01-01","x":[1],"f":1.5,"old":"1969-12-31T00:00:00Z"}`)
	at := func(year int, month time.Month, day, hour, min int) int64 {
		return time.Date(year, month, day, hour, min, 0, 0, time.UTC).UnixMilli()
	}
	for s, want := range map[string]int64{
		"/ms":                    1517363399650,
		"/rfc":                   1517363399650,
		"/date:2006/01/02 15:04": at(2001, 1, 1, 0, 47),
		"/day:2006-01-02":        at(2012, 1, 1, 0, 0),
	} {
		p, err := ParseTimePointer(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Millis(doc); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"/day":           `time at /day: "2012-01-01" is not in the layout "2006-01-02T15:04:05Z07:00"`,
		"/ms:2006-01-02": `time at /ms: want a string in the layout "2006-01-02", not 1517363399650`,
		"/x":             "time at /x: want whole milliseconds since 1970, or a string, not [1]",
		"/f":             "time at /f: want whole milliseconds since 1970, or a string, not 1.5",
		"/none":          `JSON pointer /none: no such value: the document has no member "none"`,
		"/old":           "is before 1970",
	} {
		p, err := ParseTimePointer(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Millis(doc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %d, %v, want %s", s, got, err, want)
		}
	}
	for _, bad := range []string{"x", "/a:", "/a:yyyy-MM-dd", "/a:15:04", "/a:%Y"} {
		if p, err := ParseTimePointer(bad); err == nil {
			t.Errorf("%q: got %v", bad, p)
		}
	}
}

// FuzzPointer walks the decoded document for comparison, and makes sure that
// what is no document does no harm.
func FuzzPointer(f *testing.F) {
	f.Add([]byte(` {"a":{"b c":[10,{"x":null}]},"\u00e9":"s\\\""} `), "/a/b c/1/x")
	f.Add([]byte(`[[1],[],{"":0}]`), "/2/")
	f.Add([]byte(`{"a/b":1,"m~n":{"":"x"}}`), "/m~0n/")
	f.Add([]byte(`{"a":"\`), "/a")
	f.Fuzz(func(t *testing.T, doc []byte, at string) {
		p, err := ParsePointer(at)
		if err != nil {
			return
		}
		if p.String() != at {
			t.Fatalf("%q comes back as %q", at, p)
		}
		raw, err := p.Find(doc)
		text := AppendText(nil, raw)
		if tp, terr := NewTimePointer(at, ""); terr == nil {
			_, _ = tp.Millis(doc)
		}
		if _, derr := (JSON{}).Decode(nil, doc); derr != nil {
			return // not a document: only must not panic
		}
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatal(err)
		}
		want, ok := walk(v, p.names)
		if ok != (err == nil) {
			t.Fatalf("%q in %s: got %s, %v; there is %v", at, doc, raw, err, want)
		}
		if !ok {
			if !errors.Is(err, ErrAbsent) {
				t.Fatal(err)
			}
			return
		}
		var got any
		if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q in %s: got %s, %v, want %v", at, doc, raw, err, want)
		}
		if s, isText := want.(string); isText && s != string(text) {
			t.Fatalf("text of %s: %q", raw, text)
		}
	})
}

func walk(v any, names []string) (any, bool) {
	for _, n := range names {
		switch c := v.(type) {
		case map[string]any:
			e, ok := c[n]
			if !ok {
				return nil, false
			}
			v = e
		case []any:
			i, err := strconv.Atoi(n)
			if err != nil || strconv.Itoa(i) != n || i < 0 || i >= len(c) {
				return nil, false
			}
			v = c[i]
		default:
			return nil, false
		}
	}
	return v, true
}
