package connector

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
)

func named(row []byte) error {
	if strings.Contains(string(row), ",,") {
		return errors.New("a column has no name")
	}
	return nil
}

// offsets polls all and returns "offset value" of each record.
func offsets(t *testing.T, s source) (all []string, err error) {
	t.Helper()
	var b abi.Packed
	for {
		eof, err := s.Poll(&b, 2, 1<<20)
		if err != nil {
			return all, err
		}
		for _, run := range b.Runs {
			r := abi.NewReader(b.Buf[run.Start:run.End])
			for range run.Count {
				var rec abi.Record
				abi.ReadRecord(&r, &rec)
				all = append(all, fmt.Sprintf("%d %s", run.BaseOffset+rec.OffsetDelta, rec.Value))
			}
		}
		if eof || len(b.Runs) == 0 {
			return all, nil
		}
	}
}

func TestRowsOfACSVFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"plain", "a,b\n1,2\n3,4\n", []string{"1 a,b\n1,2", "2 a,b\n3,4"}, ""},
		{"no newline at the end", "a,b\n1,2", []string{"1 a,b\n1,2"}, ""},
		{"returns, a mark and blank lines", "\xef\xbb\xbfa,b\r\n\r\n1,2\r\n\r\n", []string{"2 a,b\n1,2"}, ""},
		{"newlines in cells", "a,b\n\"1\n\n2\",3\n4,5\n", []string{"1 a,b\n\"1\n\n2\",3", "4 a,b\n4,5"}, ""},
		{"a quote that nobody closes", "a,b\n1,\"2\n3,4\n5,6", []string{"1 a,b\n1,\"2", "2 a,b\n3,4", "3 a,b\n5,6"}, ""},
		{"one that is open at the end", "a,b\n1,2\n3,\"4", []string{"1 a,b\n1,2", "2 a,b\n3,\"4"}, ""},
		{"only a header", "a,b\n", nil, ""},
		{"only a header without newline", "a,b", nil, ""},
		{"nothing", "", nil, ":1: the file has no header"},
		{"a header with a gap", "a,,b\n1,2,3\n", nil, ":1: a column has no name"},
	} {
		path := tempFile(t, c.text)
		f := open(t, FileConfig{Path: path, CheckHeader: named})
		got, err := offsets(t, f)
		if d := cmp.Diff(c.want, got); d != "" || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), path+c.err) {
			t.Errorf("%s: %v\n%s", c.name, err, d)
		}
		s, err := NewStream("stdin", strings.NewReader(c.text), StreamConfig{CheckHeader: named, Clock: clock{}})
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for range 100 {
			<-s.Ready()
			var more []string
			more, err = offsets(t, s)
			got = append(got, more...)
			if s.eof || err != nil {
				break
			}
		}
		if d := cmp.Diff(c.want, got); d != "" || (err == nil) != (c.err == "") {
			t.Errorf("%s, stdin: %v\n%s", c.name, err, d)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A file of rows goes on in the middle, with the header of its beginning.
func TestRowsResume(t *testing.T) {
	path := tempFile(t, "a,b\n\"1\n2\",3\n4,5\n6,7\n")
	f := open(t, FileConfig{Path: path, CheckHeader: named})
	var b abi.Packed
	if _, err := f.Poll(&b, 2, 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{1, 2, 3, 4} { // behind the header, and behind two rows
		position, err := f.Position(offset)
		if err != nil {
			if offset == 1 || offset == 3 {
				continue // no record ends there, or the line behind one
			}
			t.Fatal(err)
		}
		again := open(t, FileConfig{Path: path, CheckHeader: named})
		if err := again.Resume(position); err != nil {
			t.Fatal(err)
		}
		got, err := offsets(t, again)
		want := map[int64][]string{2: {"3 a,b\n4,5", "4 a,b\n6,7"}, 3: {"3 a,b\n4,5", "4 a,b\n6,7"}, 4: {"4 a,b\n6,7"}}[offset]
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("at %d: %v\n%s", offset, err, d)
		}
	}
}
