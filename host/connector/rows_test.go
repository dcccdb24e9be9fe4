package connector

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
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
		{"quotes inside plain cells", "a,b\n1,5\" pipe\n2,q\"uo\"te\"\n3,4\n", []string{"1 a,b\n1,5\" pipe", "2 a,b\n2,q\"uo\"te\"", "3 a,b\n3,4"}, ""},
		{"a newline in a cell behind a stray quote", "a,b\n1\"2,\"x\ny\"\n3,4\n", []string{"1 a,b\n1\"2,\"x\ny\"", "3 a,b\n3,4"}, ""},
		{"more behind a closing quote", "a,b\n\"1\"x\"\n3,4\n", []string{"1 a,b\n\"1\"x\"", "2 a,b\n3,4"}, ""},
		{"doubled quotes around a newline", "a,b\n\"1\"\"\n\"\"\",2\n3,4\n", []string{"1 a,b\n\"1\"\"\n\"\"\",2", "3 a,b\n3,4"}, ""},
		{"blank lines before the header", "\xef\xbb\xbf\r\n\n\na,b\n1,2\n", []string{"4 a,b\n1,2"}, ""},
		{"a quoted header behind a mark", "\xef\xbb\xbf\"a\nc\",b\n1,2\n", []string{"2 \"a\nc\",b\n1,2"}, ""},
		{"only blank lines", "\n\n", nil, ":3: the file has no header"},
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

// What is longer than a row may be is one record, which the codec refuses, and
// the next one begins behind its end, whatever is in its cells.
func TestRowsThatAreTooLong(t *testing.T) {
	const limit = 200 << 10 // more than is read at once
	note := fmt.Sprintf("... [cut: the row is longer than %d bytes\"]", limit)
	inside := strings.Repeat("7,7\n", limit/4+50<<10) // lines that look like rows
	fits := "\"" + strings.Repeat("7,7\n", limit/4-2) + "\",1"
	cut := func(row string) string { return row[:maxHead] + note }
	lines := int64(strings.Count(inside, "\n"))
	for _, c := range []struct {
		name, text string
		want       []string
		stream     []string // where it is not want
	}{
		{"one that is not", fits + "\n3,4\n", []string{"1 a,b\n" + fits, fmt.Sprintf("%d a,b\n3,4", limit/4)}, nil},
		{"lines in a cell", "1,\"" + inside + "\"\n3,4\n", []string{"1 a,b\n" + cut("1,\""+inside), fmt.Sprintf("%d a,b\n3,4", 2+lines)}, nil},
		{"the last one", "1,\"" + inside + "\"", []string{"1 a,b\n" + cut("1,\""+inside)}, nil},
		{"a long line", strings.Repeat("x", limit+1) + "\n3,4\n", []string{"1 a,b\n" + cut(strings.Repeat("x", limit)), "2 a,b\n3,4"}, nil},
		{"a longer one", strings.Repeat("1,", limit) + "\n3,4\n", []string{"1 a,b\n" + cut(strings.Repeat("1,", limit)), "2 a,b\n3,4"}, nil},
		{
			"a cell that is never closed", "1,\"2\n" + strings.Repeat(strings.Repeat("y", 50<<10)+",4\n", 6) + "5,6\n",
			[]string{
				"1 a,b\n1,\"2", "2 a,b\n" + strings.Repeat("y", 50<<10) + ",4", "3 a,b\n" + strings.Repeat("y", 50<<10) + ",4",
				"4 a,b\n" + strings.Repeat("y", 50<<10) + ",4", "5 a,b\n" + strings.Repeat("y", 50<<10) + ",4",
				"6 a,b\n" + strings.Repeat("y", 50<<10) + ",4", "7 a,b\n" + strings.Repeat("y", 50<<10) + ",4", "8 a,b\n5,6",
			},
			[]string{"1 a,b\n" + cut("1,\"2\n"+strings.Repeat("y", 50<<10))},
		},
	} {
		text := "a,b\n" + c.text
		f := open(t, FileConfig{Path: tempFile(t, text), CheckHeader: named, MaxLine: limit})
		got, err := offsets(t, f)
		if d := cmp.Diff(c.want, got); d != "" || err != nil || f.byte != int64(len(text)) {
			t.Errorf("%s: %v, at %d of %d\n%.2000s", c.name, err, f.byte, len(text), d)
		}
		if cap(f.lines.buf) > 4*limit {
			t.Errorf("%s: %d bytes are held", c.name, cap(f.lines.buf))
		}
		s, err := NewStream("stdin", strings.NewReader(text), StreamConfig{CheckHeader: named, MaxLine: limit, Clock: clock{}})
		if err != nil {
			t.Fatal(err)
		}
		for got = nil; !s.eof && err == nil; {
			<-s.Ready()
			var more []string
			more, err = offsets(t, s)
			got = append(got, more...)
		}
		want := c.want
		if c.stream != nil {
			want = c.stream
		}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s, stdin: %v\n%.2000s", c.name, err, d)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	f := open(t, FileConfig{Path: tempFile(t, "\n\""+inside+"\"\n1\n"), CheckHeader: named, MaxLine: limit})
	fails(t, f, ":2: the line is longer than")
}

// The note makes a row that was cut wrong in every place it can be cut.
func TestCodecRefusesRowsThatWereCut(t *testing.T) {
	for _, row := range []string{"1,\"22\",3", "\"1\"\"1\",2,3", "\"1,\n\",\"\",x", ",,,,,,,,", "\"\"\"\"\"\"\"\"\""} {
		for max := 1; max < len(row); max++ {
			r := &rows{header: []byte("a,b,c")}
			l := lines{buf: []byte(row[:max] + strings.Repeat("z", 10)), max: max}
			cut, _, _, ok, err := r.next(&l, true)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			record, _, _ := r.take(cut, named)
			if _, err := (codec.CSV{}).Decode(nil, record); err == nil {
				t.Errorf("%q is a row", record)
			}
		}
	}
}

// A cell that stays open at the end of a file that is followed spoils the line it
// is on, after a time in which it could be closed.
func TestRowsOfAFollowedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tempFile(t, "a,b\n1,5\" pipe\n2,\"x\n3,4\n")
		f, err := OpenFile(FileConfig{Path: path, CheckHeader: named, Follow: true, Clock: clock{}})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		begin := time.Now()
		poll := func(want ...string) {
			t.Helper()
			got, err := offsets(t, f)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Fatalf("after %v: %v\n%s", time.Since(begin), err, d)
			}
		}
		poll("1 a,b\n1,5\" pipe")
		time.Sleep(openWait / 2)
		poll()
		appendTo(t, path, "5,6\n") // which does not begin the wait anew
		<-f.Ready()
		poll()
		<-f.Ready()
		if d := time.Since(begin); d < openWait || d > openWait+2*watchInterval {
			t.Fatalf("ready after %v", d)
		}
		poll("2 a,b\n2,\"x", "3 a,b\n3,4", "4 a,b\n5,6")
		appendTo(t, path, "7,\"x\n")
		<-f.Ready()
		poll()
		time.Sleep(openWait / 2)
		appendTo(t, path, "y\"\n8,8\n")
		<-f.Ready()
		poll("5 a,b\n7,\"x\ny\"", "7 a,b\n8,8")
		time.Sleep(2 * openWait)
		poll()
	})
}

// A file goes on behind the blank lines, and the header, of its beginning.
func TestRowsResumeBehindBlankLines(t *testing.T) {
	path := tempFile(t, "\n\r\na,b\n1,2\n3,4\n")
	f := open(t, FileConfig{Path: path, CheckHeader: named})
	var b abi.Packed
	if _, err := f.Poll(&b, 1, 1<<20); err != nil {
		t.Fatal(err)
	}
	position, err := f.Position(4)
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, FileConfig{Path: path, CheckHeader: named})
	if err := again.Resume(position); err != nil {
		t.Fatal(err)
	}
	got, err := offsets(t, again)
	if d := cmp.Diff([]string{"4 a,b\n3,4"}, got); d != "" || err != nil {
		t.Error(err, d)
	}
}

// Rows do not depend on the pieces they are read in, nothing is lost between
// them, and what is well-formed is cut where encoding/csv does.
func FuzzRows(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "\xef\xbb\xbf\"a\n\",b\r\n\"1\"\"\n\",2", "a\n\n\"", "a\n1,\"2\n\"\"3\n", "a\n1\"2\n3\"\n", "a\n\"x\n\"y\"\nz\n", "\n\n\"\n\"", "a\n\"0123456789\n0123456789\"\n1\n",
	} {
		f.Add(s, 16, 3)
	}
	f.Fuzz(func(t *testing.T, text string, max, piece int) {
		max, piece = 1+int(uint(max)%100), 1+int(uint(piece)%10)
		cut := func(piece, max int) (all []string, size int, err error) {
			r, l := &rows{header: []byte("a")}, lines{max: max}
			for at := 0; ; at += piece {
				end := at >= len(text)
				if !end {
					l.filled(copy(l.room(), text[at:min(at+piece, len(text))]))
				}
				for ok := true; ok; {
					var row []byte
					var n int
					row, n, _, ok, err = r.next(&l, end)
					if err != nil {
						return all, size, err
					}
					if size += n; ok {
						all = append(all, string(row))
					}
				}
				if end {
					return all, size, nil
				}
			}
		}
		whole, size, err := cut(min(len(text)+1, chunk), 1<<20)
		if err != nil || size != len(text) {
			t.Fatalf("%d of %d bytes, %v", size, len(text), err)
		}
		pieces, size, err := cut(piece, 1<<20)
		if d := cmp.Diff(whole, pieces); d != "" || size != len(text) || err != nil {
			t.Fatalf("in pieces of %d: %d of %d bytes, %v\n%s", piece, size, len(text), err, d)
		}
		if _, size, err = cut(piece, max); size != len(text) || err != nil {
			t.Fatalf("of at most %d: %d of %d bytes, %v", max, size, len(text), err)
		}
		parse := func(text string) ([][]string, error) {
			r := csv.NewReader(strings.NewReader(text))
			r.FieldsPerRecord = -1
			return r.ReadAll()
		}
		want, err := parse(text)
		if err != nil || strings.HasPrefix(text, "\xef") || strings.Contains(text, "\r") {
			return // what a return is there is another matter
		}
		var got [][]string
		for _, row := range whole {
			one, err := parse(row)
			if err != nil || len(one) > 1 {
				t.Fatalf("%q: %q, %v", row, one, err)
			}
			got = append(got, one...)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
