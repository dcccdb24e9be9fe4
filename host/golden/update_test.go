package golden

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// upper feeds values and expects what is given.
func upper(t *testing.T, inputs string, outputs string) string {
	t.Helper()
	var text strings.Builder
	for v := range strings.FieldsSeq(inputs) {
		text.WriteString("[[input]]\nsource = \"in\"\nvalue = \"" + v + "\"\n\n")
	}
	return project(t, "[topic.in]\ncodec = \"string\"\nstart = \"error\"\n[topic.out]\ncodec = \"string\"\n[handler.upper]\nsource = [\"in\"]\nsink = [\"out\"]\n", text.String()+outputs)
}

func expects(values string) string {
	var text strings.Builder
	for v := range strings.FieldsSeq(values) {
		text.WriteString("# about " + v + "\n[[output]]\nsink = \"out\"\nvalue = \"" + v + "\"\n\n")
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func TestUpdateInsertsReplacesAndDeletesInPlace(t *testing.T) {
	made := func(v string) string { return "[[output]]\nsink = \"out\"\nvalue = \"" + v + "\"\n" }
	cases := map[string]struct{ inputs, before, after string }{
		"in front":      {"a b", expects("B"), made("A") + "\n" + expects("B")},
		"behind":        {"a b", expects("A"), expects("A") + "\n" + made("B")},
		"between":       {"a b c", expects("A C"), expects("A") + "\n" + made("B") + "\n" + expects("C")},
		"into nothing":  {"a b", "", made("A") + "\n" + made("B")},
		"first deleted": {"b", expects("A B"), expects("B")},
		"last deleted":  {"a", expects("A B"), expects("A")},
		"replaced":      {"a x c", expects("A B C"), expects("A") + "\n# about B\n" + made("X") + "\n" + expects("C")},
		"all replaced":  {"x y", expects("A B"), "# about A\n" + made("X") + "\n# about B\n" + made("Y")},
		"nothing":       {"a b", expects("A B"), expects("A B")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := upper(t, c.inputs, c.before)
			if r := runTest(t, path, true); !r.Passed {
				t.Fatalf("%+v", r)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			at := strings.Index(string(text), "[[output]]")
			at = commentsAbove(text, strings.LastIndexByte(string(text[:at]), '\n')+1)
			if diff := cmp.Diff(c.after, string(text[at:])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if r := runTest(t, path, false); !r.Passed {
				t.Errorf("fails after its update: %+v", r)
			}
		})
	}
}

func TestUpdateLeavesTablesOfABlockTogether(t *testing.T) {
	path := upper(t, "a b", `[[output]]
sink = "out"
value = "A"
# not compared
[output.headers]

# the second
[[output]]
sink = "out"
[output.value]
wrong = 1

[env]
X = "1"
`)
	if r := runTest(t, path, true); !r.Passed {
		t.Fatalf("%+v", r)
	}
	got, _ := os.ReadFile(path)
	for _, want := range []string{"# not compared\n[output.headers]\n\n# the second\n[[output]]\nsink = \"out\"\nvalue = \"B\"\n", "[env]\nX = \"1\"\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s\nlacks\n%s", got, want)
		}
	}
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("fails after its update: %+v", r)
	}
}

func TestAlignFindsTheLongestCommonRecords(t *testing.T) {
	rec := func(s string) record { return record{value: []byte(s)} }
	wants := func(s string) (list []want) {
		for v := range strings.FieldsSeq(s) {
			list = append(list, want{block: &block{}, record: rec(v)})
		}
		return list
	}
	got := func(s string) (list []record) {
		for v := range strings.FieldsSeq(s) {
			list = append(list, rec(v))
		}
		return list
	}
	cases := [][3]string{
		{"a b c", "a b c", "==="},
		{"", "a", "+"},
		{"a", "", "-"},
		{"", "", ""},
		{"a b c d", "a c d e", "=-==+"},
		{"a b", "b a", "-=+"},
		{"x a b y", "a b", "-==-"},
	}
	for _, c := range cases {
		var marks strings.Builder
		for _, s := range align(wants(c[0]), got(c[1])) {
			switch {
			case s.got < 0:
				marks.WriteByte('-')
			case s.want < 0:
				marks.WriteByte('+')
			default:
				marks.WriteByte('=')
			}
		}
		if marks.String() != c[2] {
			t.Errorf("%q against %q: %s, want %s", c[0], c[1], marks.String(), c[2])
		}
	}
}
