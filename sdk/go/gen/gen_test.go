package gen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/gen"
	"github.com/sliphost/sliphost/sdk/go/gen/gentest"
)

func TestGeneratedFileIsUpToDate(t *testing.T) {
	source, err := os.ReadFile("gentest/types.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := gen.Source(map[string][]byte{"types.go": source})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("gentest/" + gen.File)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go generate ./sdk/go/gen/gentest\n%s", diff)
	}
}

func full() *gentest.Flight {
	gate, via := "B7", gentest.Airport("ORD")
	return &gentest.Flight{
		Date: "2001/01/01", Delay: -66, Small: -128, Count: 65535, Mask: 1 << 63, Ratio: 1.5, Short: 0.25, Late: true,
		Raw: []byte{0, 1}, Code: "DTW", Gate: &gate, First: gentest.Leg{To: "LAS"},
		Legs: []gentest.Leg{{To: "SFO", Via: &via}, {}}, Grid: [][]int{{1, 2}, nil, {3}},
		Tags:   map[string]string{"b": "2", "a": "1", "c": ""},
		ByStop: map[string]*gentest.Leg{"x": nil, "y": {To: "SEA"}}, Untagged: 1,
		Remark: "r", Extra: []string{"e"}, Next: empty(), Score: 2, Codes: gentest.Airports{"A"}, Done: true,
	}
}

// empty has only what is required.
func empty() *gentest.Flight {
	return &gentest.Flight{Tags: map[string]string{}, ByStop: map[string]*gentest.Leg{}}
}

func TestValuesSurviveTheRoundTrip(t *testing.T) {
	for _, want := range []*gentest.Flight{full(), empty()} {
		wire, err := slip.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 { // map order must not show
			again, err := slip.Marshal(want)
			if err != nil || string(again) != string(wire) {
				t.Fatalf("%x\n%x %v", wire, again, err)
			}
		}
		var got gentest.Flight
		if err := slip.Unmarshal(wire, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got, cmp.AllowUnexported(gentest.Flight{}, gentest.Hand{})); diff != "" {
			t.Error(diff)
		}
	}
}

// document returns a flight as a map whose fields can be changed.
func document(t *testing.T, change func(fields map[string]any)) []byte {
	t.Helper()
	fields := map[string]any{
		"date": "d", "delay": 1, "small": 1, "count": 1, "mask": 1, "ratio": 1.0, "short": 1.0, "late": true,
		"raw": []byte{1}, "code": "c", "gate": nil, "first": raw("\x82\xa2To\xa1x\xa3Via\xc0"), "legs": raw("\x90"),
		"grid": raw("\x90"), "tags": raw("\x80"), "by_stop": raw("\x80"), "hand": 1, "Untagged": 1,
	}
	change(fields)
	var w slip.Writer
	w.Map(len(fields))
	for name, v := range fields {
		w.Str(name)
		if r, ok := v.(raw); ok {
			w.Raw([]byte(r))
		} else if err := w.Value(v); err != nil {
			t.Fatal(err)
		}
	}
	return w.Written()
}

// raw is msgpack as it is.
type raw string

func TestDocumentsThatDoNotFitAreRefused(t *testing.T) {
	set := func(name string, v any) func(map[string]any) {
		return func(f map[string]any) { f[name] = v }
	}
	for _, tc := range []struct {
		change func(map[string]any)
		want   string
	}{
		{func(map[string]any) {}, ""},
		{set("unknown", raw("\x91\x80")), ""},
		{set("remark", nil), ""},
		{set("next", nil), ""},
		{func(f map[string]any) { delete(f, "delay") }, `field "delay": nothing there`},
		{set("delay", nil), `field "delay": want integer, got null`},
		{set("delay", "1"), `field "delay": want integer, got string`},
		{set("small", 128), `field "small": want an integer that fits`},
		{set("small", -129), `field "small": want an integer that fits`},
		{set("count", 65536), `field "count": want an integer that fits`},
		{set("count", -1), `field "count": want non-negative integer`},
		{set("date", nil), `field "date": want string, got null`},
		{set("late", 1), `field "late": want bool, got integer`},
		{set("remark", 1), `field "remark": want string, got integer`},
		{set("legs", raw("\x80")), `field "legs": want array, got map`},
		{set("legs", raw("\x91\x81\xa2To\xa1x")), `field "Via": nothing there`},
		{set("legs", raw("\x91\x82\xa2To\x01\xa3Via\xc0")), `field "To": want string, got integer`},
		{set("tags", raw("\x81\xa1k\x01")), `field "k": want string, got integer`},
		{set("grid", raw("\x91\x91\xa1x")), `field "grid": want integer, got string`},
	} {
		var f gentest.Flight
		err := slip.Unmarshal(document(t, tc.change), &f)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
	whole := document(t, func(map[string]any) {})
	for n := range whole {
		if err := slip.Unmarshal(whole[:n], new(gentest.Flight)); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(whole))
		}
	}
	if err := slip.Unmarshal(append(whole, 0), new(gentest.Flight)); err == nil || !strings.Contains(err.Error(), "the end of the value") {
		t.Errorf("bytes behind the value: %v", err)
	}
}

func TestWhatCannotBeGeneratedIsNamed(t *testing.T) {
	for body, want := range map[string]string{
		"A chan int `slip:\"a\"`":                               `x.go:4:4: type chan cannot be read and written`,
		"A [3]int `slip:\"a\"`":                                 `type [...]int cannot`,
		"A map[int]string `slip:\"a\"`":                         `type map[int]string cannot`,
		"A any `slip:\"a\"`":                                    `type any cannot`,
		"A []interface{} `slip:\"a\"`":                          `type interface{...} cannot`,
		"A time.Time `slip:\"a\"`":                              `type time.Time is of another package`,
		"A, B int `slip:\"a\"`":                                 "one tag for several fields",
		"A int `slip:\"a\"`\nB int `slip:\"a\"`":                `two fields are named "a"`,
		"A int `slip:\"a,omitempty\"`":                          `tag option "omitempty": want optional`,
		"Other\nB int `slip:\"b\"`":                             "an embedded field has no name",
		"A Other `slip:\"a,optional\"`":                         "an optional struct cannot be told from an empty one",
		"A Param[int] `slip:\"a\"`":                             "cannot be read and written",
		"A *List[int] `slip:\"a\"`":                             "cannot be read and written",
		"A int `slip:\"a\"`\n" + manyFields(64):                 "more than 64 fields",
		"A int `slip:\"a\"`\nB func() `json:\"b\" slip:\"bb\"`": "type func(...) cannot",
	} {
		source := "package x\n\ntype T struct {\n\t" + strings.ReplaceAll(body, "\n", "\n\t") + "\n}\n\ntype Other struct{ X int }\n"
		_, err := gen.Source(map[string][]byte{"x.go": []byte(source)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.go:") {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	if _, err := gen.Source(map[string][]byte{"x.go": []byte("package x\nfunc {")}); err == nil {
		t.Error("a file that is not Go was accepted")
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("F" + strings.Repeat("x", i) + " int\n")
	}
	return b.String()
}

func TestDirWritesAndRemovesItsFile(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("package x\n\ntype T struct {\n\tA int `slip:\"a\"`\n}\n")
	if found, err := gen.Dir(dir); err != nil || !found {
		t.Fatal(found, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, gen.File))
	if err != nil || !strings.Contains(string(text), "func (v *T) MarshalMsgpack") {
		t.Errorf("%v\n%s", err, text)
	}
	write("package x\n\ntype T struct{ A int }\n")
	if found, err := gen.Dir(dir); err != nil || found {
		t.Fatal(found, err)
	}
	if _, err := os.Stat(filepath.Join(dir, gen.File)); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func FuzzGeneratedReader(f *testing.F) {
	wire, err := slip.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	wire, err = slip.Marshal(empty())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, again gentest.Flight
		if slip.Unmarshal(b, &v) != nil {
			return
		}
		wire, err := slip.Marshal(&v)
		if err != nil {
			t.Fatal(err)
		}
		if err := slip.Unmarshal(wire, &again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		second, err := slip.Marshal(&again)
		if err != nil || string(second) != string(wire) {
			t.Fatalf("%x\n%x %v", wire, second, err)
		}
	})
}
