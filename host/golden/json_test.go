package golden

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestBytesAreComparedAsWhatTheyAre(t *testing.T) {
	same := [][2]string{
		{`{"a":1,"b":[1,2]}`, ` { "b" : [1, 2], "a" : 1 } `},
		{`1.0`, `1`},
		{`1e2`, `100`},
		{`0.1`, `0.10000000000000000555`},
		{`18446744073709551615`, `18446744073709551615`},
		{`"a"`, `"\u0061"`},
		{`x`, `x`},
		{``, ``},
	}
	for _, c := range same {
		if !sameBytes([]byte(c[0]), []byte(c[1])) || !sameBytes([]byte(c[1]), []byte(c[0])) {
			t.Errorf("%s and %s differ", c[0], c[1])
		}
	}
	other := [][2]string{
		{`{"a":1}`, `{"a":2}`},
		{`{"a":1}`, `{"a":1,"b":null}`},
		{`[1,2]`, `[2,1]`},
		{`1`, `"1"`},
		{`9007199254740993`, `9007199254740992`},
		{`18446744073709551615`, `18446744073709551614`},
		{`{"a":1}x`, `{"a":1}`},
		{`x`, `y`},
		{`true`, `1`},
		{`null`, `0`},
		{`{}`, `[]`},
	}
	for _, c := range other {
		if sameBytes([]byte(c[0]), []byte(c[1])) || sameBytes([]byte(c[1]), []byte(c[0])) {
			t.Errorf("%s and %s are the same", c[0], c[1])
		}
	}
	if sameBytes(nil, []byte{}) || !sameBytes(nil, nil) {
		t.Error("null is not apart from empty")
	}
}

// document draws JSON as handlers emit it.
func document() *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any { return drawn(t, 3) })
}

func drawn(t *rapid.T, depth int) any {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.String().Draw(t, "text")
	case 1:
		return rapid.Int64().Draw(t, "int")
	case 2:
		return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
	case 3:
		return rapid.Bool().Draw(t, "bool")
	case 4:
		return nil
	case 5:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			list = append(list, drawn(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		object[rapid.String().Draw(t, "name")] = drawn(t, depth-1)
	}
	return object
}

// TestWhatUpdateWritesReadsBackTheSame is the promise of --update.
func TestWhatUpdateWritesReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := record{partition: 3, timestamp: rapid.Int64Range(0, 1<<41).Draw(t, "timestamp")}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			r.value, _ = json.Marshal(document().Draw(t, "value"))
		case 1:
			r.value = rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		}
		if rapid.Bool().Draw(t, "has key") {
			r.key = []byte(rapid.String().Draw(t, "key"))
		}
		h := header{rapid.String().Draw(t, "header"), []byte(rapid.StringN(0, 5, 20).Draw(t, "content"))}
		r.headers = []header{h}
		old := &block{endpoint: "out", hasPart: true, hasTS: true, headersCompared: true, record: record{headers: []header{h}}}
		text := "[[input]]\nsource = \"in\"\n\n" + blockText(old, &r)
		f, err := parseFile("x.test.toml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		w := want{block: f.outputs[0], record: f.outputs[0].record}
		if !w.matches(&r) || !w.hasPart || !w.hasTS || len(w.record.headers) != 1 {
			t.Fatalf("wrote %s, which is not %s", text, show(&r, true, true, true))
		}
	})
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(flightsTest))
	f.Add([]byte("[[input]]\nsource = \"a\"\n[input.value]\na.b = [1, { c = 2 }]\n[[output]]\nsink=\"b\"\n# c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parseFile("x.test.toml", text)
		if err != nil {
			return
		}
		// Nothing to change leaves all but the end of the file as it is.
		u := updater{f: parsed, replaced: map[*block]string{}, before: map[*block]string{}, after: map[*block]string{}}
		got := u.text()
		if want := append(bytes.TrimRight(text, "\n"), '\n'); !bytes.Equal(got, want) {
			t.Errorf("an update without changes made\n%q\nof\n%q", got, want)
		}
	})
}
