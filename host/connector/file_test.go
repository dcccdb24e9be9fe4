package connector

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
)

func open(t *testing.T, cfg FileConfig) *File {
	t.Helper()
	cfg.Clock = clock{}
	f, err := OpenFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFileDeliversLines(t *testing.T) {
	for content, want := range map[string][]string{
		"":               nil,
		"\n":             {""},
		"a":              {"a"},
		"a\n":            {"a"},
		"a\r\nb\n":       {"a", "b"},
		"a\n\n\nb":       {"a", "", "", "b"},
		"a\r":            {"a"},
		"a\rb\r\r\n\r\n": {"a\rb\r", ""},
	} {
		got, eof := drain(t, open(t, FileConfig{Path: tempFile(t, content)}))
		if diff := cmp.Diff(want, got); diff != "" || !eof {
			t.Errorf("%q: eof %v, %s", content, eof, diff)
		}
	}
}

func TestFileRespectsLimits(t *testing.T) {
	f := open(t, FileConfig{Path: tempFile(t, "a\nb\n"+strings.Repeat("x", 5000)+"\nc\n"), Topic: 7})
	var b abi.Packed
	for i, want := range []int{2, 1, 1} {
		max := 2
		if i == 1 {
			max = 1000
		}
		eof, err := f.Poll(&b, max, 100)
		if err != nil || eof != (i == 2) {
			t.Fatalf("poll %d: eof %v, %v", i, eof, err)
		}
		if got := records(t, &b); len(got) != want {
			t.Fatalf("poll %d: %d records, want %d", i, len(got), want)
		}
		if b.Runs[0].Topic != 7 || b.Runs[0].BaseOffset != int64([]int{0, 2, 3}[i]) {
			t.Errorf("poll %d: %+v", i, b.Runs[0])
		}
	}
	if eof, err := f.Poll(&b, 1, 1); !eof || err != nil || len(b.Runs) > 0 {
		t.Errorf("at the end: eof %v, %v", eof, err)
	}
}

func TestFileNamesALongLine(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n"} {
		fits := strings.Repeat("x", 100_000)
		path := tempFile(t, "a\n"+fits+"\r\n"+fits+"y"+end)
		got := fails(t, open(t, FileConfig{Path: path, MaxLine: 100_000}), path+":3: the line is longer than 100000 bytes")
		if len(got) != 2 || got[1] != fits {
			t.Errorf("%q: %d lines before the error", end, len(got))
		}
	}
}

func TestFileRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): "absent: no such file",
		dir:                          "is not a regular file; use source \"stdin\"",
		os.DevNull:                   "is not a regular file",
	} {
		if f, err := OpenFile(FileConfig{Path: path, Clock: clock{}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, f, err)
		}
	}
	if _, err := OpenFile(FileConfig{Path: tempFile(t, ""), MaxLine: LargestMaxLine + 1, Clock: clock{}}); err == nil {
		t.Error("no error for a line limit out of range")
	}
}

// TestFileResumes commits after each possible number of lines, opens the file
// anew and expects exactly the rest.
func TestFileResumes(t *testing.T) {
	lines := []string{"first", "", strings.Repeat("long", 3000), "with return\r", "last"}
	content := strings.Join(lines, "\n") + "\n"
	for n := range len(lines) + 1 {
		path := tempFile(t, content)
		state := filepath.Join(t.TempDir(), "positions.json")
		for round := range 2 {
			pos, err := OpenPositions(state)
			if err != nil {
				t.Fatal(err)
			}
			f := open(t, FileConfig{Path: path, Positions: pos, ID: "in"})
			got, _ := drain(t, f)
			want := len(lines)
			if round == 1 {
				want -= n
			}
			if len(got) != want {
				t.Fatalf("commit %d, round %d: %d lines, want %d", n, round, len(got), want)
			}
			if want > 0 && got[want-1] != "last" {
				t.Errorf("commit %d, round %d: ends with %q", n, round, got[want-1])
			}
			if round == 0 {
				if err := f.Commit(int64(n)); err != nil {
					t.Fatal(err)
				}
				appendTo(t, path, "")
			}
		}
	}
}

func TestFileCommitsInSteps(t *testing.T) {
	pos, err := OpenPositions(filepath.Join(t.TempDir(), "positions.json"))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, FileConfig{Path: tempFile(t, "a\nbb\nccc\n"), Positions: pos, ID: "in"})
	drain(t, f)
	for n, at := range []int64{0, 2, 5, 9} {
		if err := f.Commit(int64(n)); err != nil {
			t.Fatal(err)
		}
		if p, ok := pos.Get("in"); ok != (n > 0) || p.Byte != at || p.Line != int64(n) {
			t.Errorf("commit %d stored %+v", n, p)
		}
	}
	for _, bad := range []int64{2, 4} {
		if err := f.Commit(bad); err == nil {
			t.Errorf("commit %d of 3 after 3 was accepted", bad)
		}
	}
}

func TestFileNoticesAnotherFile(t *testing.T) {
	long := strings.Repeat("0123456789\n", 2000)
	for name, c := range map[string]struct{ before, after, want string }{
		"shorter":      {long, long[:1000], "it has 1000 bytes, but 22000 bytes (2000 lines) of it were read before"},
		"another head": {long, "X" + long[1:], "is not the file of which 2000 lines were read before"},
		"another tail": {long, long[:len(long)-5] + "XXXX\n", "is not the file of which 2000 lines"},
		"grown":        {long, long + "more\n", ""},
		"same":         {long, long, ""},
	} {
		path := tempFile(t, c.before)
		pos, err := OpenPositions(filepath.Join(t.TempDir(), "positions.json"))
		if err != nil {
			t.Fatal(err)
		}
		cfg := FileConfig{Path: path, Positions: pos, ID: "in", Clock: clock{}}
		f := open(t, cfg)
		drain(t, f)
		if err := f.Commit(2000); err != nil {
			t.Fatal(err)
		}
		write(t, path, c.after)
		again, err := OpenFile(cfg)
		if err == nil {
			again.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFileLastLineWithoutNewline delivers such a line, then lets the file go
// on in the three ways it can.
func TestFileLastLineWithoutNewline(t *testing.T) {
	for more, want := range map[string][]string{"": nil, "\nnext\n": {"next"}, "\r\nnext\n": {"next"}, "\n": nil} {
		f := resumeAfter(t, "a\nlast", more)
		got, eof := drain(t, f)
		if diff := cmp.Diff(want, got); diff != "" || !eof {
			t.Errorf("%q: eof %v, %s", more, eof, diff)
		}
		if err := f.Commit(2 + int64(len(got))); err != nil {
			t.Error(err)
		}
	}
	for _, more := range []string{" continued\n", "\r", "\rx\n"} {
		fails(t, resumeAfter(t, "a\nlast", more), ":3: the last line was delivered when it had no newline yet, and has been continued")
	}
}

func resumeAfter(t *testing.T, before, more string) *File {
	path := tempFile(t, before)
	pos, err := OpenPositions(filepath.Join(t.TempDir(), "positions.json"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := FileConfig{Path: path, Positions: pos, ID: "in"}
	f := open(t, cfg)
	drain(t, f)
	if err := f.Commit(2); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, more)
	return open(t, cfg)
}

func TestFileFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tempFile(t, "a\nb")
		f := open(t, FileConfig{Path: path, Follow: true})
		got, eof := drain(t, f)
		if diff := cmp.Diff([]string{"a"}, got); diff != "" || eof {
			t.Fatalf("eof %v, %s", eof, diff)
		}
		time.Sleep(time.Hour)
		select {
		case <-f.Ready():
			t.Error("ready though nothing was appended")
		default:
		}
		start := time.Now()
		for _, more := range []string{"c", "\nd\n", "e\nf\n"} {
			appendTo(t, path, more)
			<-f.Ready()
			lines, _ := drain(t, f)
			got = append(got, lines...)
		}
		if diff := cmp.Diff([]string{"a", "bc", "d", "e", "f"}, got); diff != "" {
			t.Error(diff)
		}
		if d := time.Since(start); d > 3*watchInterval {
			t.Errorf("three changes were seen after %v", d)
		}
	})
}

func TestFollowedFileThatIsTruncated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tempFile(t, "a\nb\n")
		f := open(t, FileConfig{Path: path, Follow: true})
		drain(t, f)
		synctest.Wait()
		if err := os.Truncate(path, 1); err != nil {
			t.Fatal(err)
		}
		<-f.Ready()
		if rest := fails(t, f, "the file shrank from at least 4 bytes to 1"); len(rest) > 0 {
			t.Errorf("%q came", rest)
		}
	})
}

// A file that is rotated is read to its end, its last line as it is, and then
// the one that has its place. Offsets go on, and so do positions.
func TestFollowedFileThatIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := tempFile(t, "a\nb\n")
		positions, err := OpenPositions(filepath.Join(t.TempDir(), "positions.json"))
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, FileConfig{Path: path, Follow: true, Positions: positions, ID: "x"})
		got, _ := drain(t, f)
		synctest.Wait()
		appendTo(t, path, "c\nno end")
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		<-f.Ready()
		more, eof := drain(t, f)
		got = append(got, more...)
		if eof {
			t.Error("the end, while the successor may come")
		}
		write(t, path, "d\ne\n")
		<-f.Ready()
		more, _ = drain(t, f)
		got = append(got, more...)
		if diff := cmp.Diff([]string{"a", "b", "c", "no end", "d", "e"}, got); diff != "" {
			t.Error(diff)
		}
		if err := f.Commit(3); err != nil { // in the old file
			t.Error(err)
		}
		if err := f.Commit(5); err != nil { // behind "d"
			t.Error(err)
		}
		again := open(t, FileConfig{Path: path, Follow: true, Positions: positions, ID: "x"})
		var b abi.Packed
		if _, err := again.Poll(&b, 10, 1000); err != nil {
			t.Fatal(err)
		}
		if got := records(t, &b); len(got) != 1 || got[0] != "e" || b.Runs[0].BaseOffset != 5 {
			t.Errorf("after a restart: %q, %+v", got, b.Runs)
		}
		// The same position as somebody else keeps it.
		position, err := f.Position(6)
		if err != nil {
			t.Fatal(err)
		}
		third := open(t, FileConfig{Path: path})
		if err := third.Resume(position); err != nil {
			t.Fatal(err)
		}
		if got, eof := drain(t, third); len(got) != 0 || !eof {
			t.Errorf("behind the end: %q", got)
		}
		if err := third.Resume([]byte(`{"line":1,"byte":-1}`)); err == nil {
			t.Error("a position that cannot be was taken")
		}
	})
}

// FuzzLines cuts data in pieces of the given sizes and compares with
// bufio.Scanner, which sees it whole.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\n\nb\rc\r\r\nlast\r"), []byte{1, 2, 3})
	f.Add([]byte(strings.Repeat("x", 300)+"\n"), []byte{7})
	f.Add([]byte("\r\n\r\n\r"), []byte{1})
	f.Add([]byte("\n"), []byte{})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		var want []string
		s := bufio.NewScanner(strings.NewReader(string(data)))
		s.Buffer(nil, len(data)+2)
		for s.Scan() {
			want = append(want, s.Text())
		}
		l, err := newLines(0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		total := 0
		take := func(line []byte, size int, ok bool, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got = append(got, string(line))
				total += size
			}
			return ok
		}
		for rest, i := data, 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, 1+int(sizes[i%len(sizes)]))
			}
			n = copy(l.room()[:n], rest)
			l.filled(n)
			rest = rest[n:]
			if i%2 == 0 || len(rest) == 0 {
				for take(l.next()) {
				}
			}
		}
		take(l.last())
		if diff := cmp.Diff(want, got); diff != "" || total != len(data) {
			t.Errorf("%d of %d bytes, %s", total, len(data), diff)
		}
	})
}

func TestFilePollDoesNotAllocate(t *testing.T) {
	f := open(t, FileConfig{Path: tempFile(t, strings.Repeat("0123456789\n", 100_000))})
	b := abi.Packed{Buf: make([]byte, 0, 1<<20), Runs: make([]abi.Run, 0, 1)}
	f.ends = make([]lineEnd, 0, 100_000)
	poll := func() {
		if _, err := f.Poll(&b, 500, 1<<20); err != nil || len(b.Runs) == 0 {
			t.Fatal(err)
		}
	}
	poll()
	if n := testing.AllocsPerRun(100, poll); n != 0 {
		t.Errorf("%v allocations a poll", n)
	}
}
