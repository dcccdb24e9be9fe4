package codec

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func TestCSVRows(t *testing.T) {
	for _, c := range []struct{ src, want, err string }{
		{"a,b\n1,2", "a=1 b=2", ""},
		{"a,b\r\n1,2\r\n", "a=1 b=2", ""},
		{"a,b\n,", "a= b=", ""},
		{"\"a,x\",b\n\"1\n2\",\"say \"\"hi\"\"\"", "a,x=1\n2 b=say \"hi\"", ""},
		{"a\n1\r", "a=1", ""},
		{"a,b,c,d\n1,2", "", "csv: byte 11: the row has 2 cells, the header has 4: nothing for c, d"},
		{"a,b\n1,2,3", "", "the row has 3 cells, the header has 2"},
		{"a,b\n1,x\"y", "", "csv: byte 7: a quote stands inside a cell"},
		{"a,b\n1,\"x\"y", "", "csv: byte 9: something stands between a closing quote"},
		{"a,b\n1,\"x", "", "csv: byte 6: a quote that opens a cell is never closed"},
		{"a,b\n1,\xff", "", "csv: byte 6: not UTF-8"},
		{"a,b\n1,2\n3,4", "", "a second row follows"},
	} {
		out, err := CSV{}.Decode([]byte("kept"), []byte(c.src))
		var e *Error
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.As(err, &e) || string(out) != "kept" {
				t.Errorf("%q: %q, %v; want %q", c.src, out, err, c.err)
			}
			continue
		}
		if got := cells(t, out[4:]); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.src, got, err, c.want)
		}
	}
}

func cells(t *testing.T, packed []byte) string {
	t.Helper()
	dec := msgpack.NewDecoder(strings.NewReader(string(packed)))
	n, err := dec.DecodeMapLen()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for range n {
		k, kerr := dec.DecodeString()
		v, verr := dec.DecodeString()
		if err := errors.Join(kerr, verr); err != nil {
			t.Fatal(err)
		}
		all = append(all, k+"="+v)
	}
	return strings.Join(all, " ")
}

func TestCSVHeaders(t *testing.T) {
	for header, want := range map[string]string{
		"a,b": "", "\"a\"\"b\",c": "", "a,,b": "column 2 of the header has no name", "": "column 1 of the header has no name",
		"a,b,a": `two columns of the header are called "a"`, "a,\"b": "header: a quote that opens",
	} {
		if err := CheckCSVHeader([]byte(header)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", header, err, want)
		}
	}
}

// What is accepted is what the standard library reads.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2", "a\n\"x\"\"y\"", "\"a\nb\",c\r\n1,\"\r\n\"", "a,b\n\"1\",2,", "\xef\xbb\xbfa\n1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := CSV{}.Decode(nil, []byte(text))
		if err != nil {
			return
		}
		// The library drops carriage returns in front of newlines inside cells.
		r := csv.NewReader(strings.NewReader(text))
		want, lerr := r.ReadAll()
		if lerr != nil || len(want) != 2 || strings.Contains(text, "\r") {
			return
		}
		var all []string
		for i, name := range want[0] {
			all = append(all, name+"="+want[1][i])
		}
		if got := cells(t, out); got != strings.Join(all, " ") {
			t.Errorf("%q: %q, the library reads %q", text, got, all)
		}
	})
}
