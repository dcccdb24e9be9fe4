package connector

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
)

// all reads s to its end, waiting on Ready whenever there is nothing.
func all(t *testing.T, s *Stream) []string {
	t.Helper()
	var b abi.Packed
	var got []string
	for {
		eof, err := s.Poll(&b, 3, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lines := records(t, &b)
		if len(lines) > 0 && b.Runs[0].BaseOffset != int64(len(got)) {
			t.Fatalf("offset %d, want %d", b.Runs[0].BaseOffset, len(got))
		}
		got = append(got, lines...)
		if eof {
			return got
		}
		if len(lines) == 0 {
			<-s.Ready()
		}
	}
}

func stream(t *testing.T, r io.Reader, maxLine int) *Stream {
	t.Helper()
	s, err := NewStream("stdin", r, StreamConfig{MaxLine: maxLine, Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStreamDeliversLines(t *testing.T) {
	long := strings.Repeat("long", 100_000)
	content := "a\n\nb\r\n" + long + "\nlast"
	want := []string{"a", "", "b", long, "last"}
	for name, r := range map[string]io.Reader{
		"whole":          strings.NewReader(content),
		"halves":         iotest.HalfReader(strings.NewReader(content)),
		"data with EOF":  iotest.DataErrReader(strings.NewReader(content)),
		"one at a time":  iotest.OneByteReader(strings.NewReader(content[:len(content)-400_000+8])),
		"nothing at all": strings.NewReader(""),
	} {
		got := all(t, stream(t, r, 0))
		switch {
		case name == "nothing at all":
			if len(got) != 0 {
				t.Errorf("%s: %q", name, got)
			}
		case name == "one at a time":
			if len(got) != 4 || got[2] != "b" {
				t.Errorf("%s: %d lines", name, len(got))
			}
		default:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestStreamReportsErrorsAfterTheLinesBefore(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, c := range map[string]struct {
		r    io.Reader
		want string
	}{
		"error":       {io.MultiReader(strings.NewReader("a\nb\nhalf"), iotest.ErrReader(broken)), "stdin:3: broken pipe"},
		"long line":   {strings.NewReader("a\nb\n" + strings.Repeat("x", 1001) + "\nc\n"), "stdin:3: the line is longer than 1000 bytes"},
		"long at end": {strings.NewReader("a\nb\n" + strings.Repeat("x", 1001)), "stdin:3: the line is longer than 1000 bytes"},
		"no progress": {io.MultiReader(strings.NewReader("a\nb\n"), stuck{}), "stdin:3: " + io.ErrNoProgress.Error()},
	} {
		s := stream(t, c.r, 1000)
		<-s.done
		if diff := cmp.Diff([]string{"a", "b"}, fails(t, s, c.want)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestStreamReadsAheadByTwoBuffers: a producer faster than the handlers is
// held up by its pipe, not by our memory.
func TestStreamReadsAheadByTwoBuffers(t *testing.T) {
	r, w := io.Pipe()
	s := stream(t, r, 0)
	line := []byte(strings.Repeat("x", chunk-1) + "\n")
	for range 2 {
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	third := make(chan error)
	go func() {
		_, err := w.Write(line)
		w.Close()
		third <- err
	}()
	select {
	case <-third:
		t.Fatal("a third buffer was read before anything was polled")
	case <-time.After(20 * time.Millisecond):
	}
	if got := all(t, s); len(got) != 3 {
		t.Errorf("%d lines", len(got))
	}
	if err := <-third; err != nil {
		t.Error(err)
	}
}

func TestStreamCloseInterruptsAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	s, err := NewStream("stdin", r, StreamConfig{Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("a\nunfinished"); err != nil {
		t.Fatal(err)
	}
	<-s.Ready()
	if got, eof := drain(t, s); eof || len(got) != 1 {
		t.Errorf("got %q, eof %v", got, eof)
	}
	if err := s.Close(); err != nil { // returns though nobody writes
		t.Error(err)
	}
	select {
	case <-s.done:
	default:
		t.Error("the goroutine was not awaited")
	}
}
