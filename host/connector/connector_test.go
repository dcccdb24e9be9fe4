package connector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is what the engine asks of a source.
type source interface {
	Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error)
	Ready() <-chan struct{}
	Commit(offset int64) error
	Close() error
}

var (
	_ source = (*File)(nil)
	_ source = (*Stream)(nil)
	_ source = (*Timer)(nil)
)

// clock is the process's; inside synctest it is the bubble's.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// records checks that b is one well-formed run and returns the values, nil as
// "<nil>".
func records(t *testing.T, b *abi.Packed) []string {
	t.Helper()
	if len(b.Runs) == 0 {
		if len(b.Buf) > 0 {
			t.Fatal("bytes outside of a run")
		}
		return nil
	}
	run := b.Runs[0]
	if len(b.Runs) != 1 || run.Start != 0 || run.End != len(b.Buf) || run.Partition != 0 {
		t.Fatalf("runs %+v of %d bytes", b.Runs, len(b.Buf))
	}
	r := abi.NewReader(b.Buf)
	var values []string
	var rec abi.Record
	for r.Len() > 0 {
		abi.ReadRecord(&r, &rec)
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if rec.Key != nil || len(rec.Headers) > 0 || rec.TimestampDelta != 0 || rec.OffsetDelta != int64(len(values)) {
			t.Fatalf("record %d: %+v", len(values), rec)
		}
		if rec.Value == nil {
			values = append(values, "<nil>")
		} else {
			values = append(values, string(rec.Value))
		}
	}
	if n := int64(len(values)); n != int64(run.Count) || run.LastOffset != run.BaseOffset+n-1 {
		t.Fatalf("%d records in run %+v", n, run)
	}
	return values
}

// drain polls until there is nothing more for now.
func drain(t *testing.T, s source) (values []string, eof bool) {
	t.Helper()
	var b abi.Packed
	for {
		eof, err := s.Poll(&b, 1000, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got := records(t, &b)
		values = append(values, got...)
		if eof || len(got) == 0 {
			return values, eof
		}
	}
}

// fails polls until an error comes and returns what came before it.
func fails(t *testing.T, s source, want string) (values []string) {
	t.Helper()
	var b abi.Packed
	for {
		eof, err := s.Poll(&b, 1000, 1<<20)
		got := records(t, &b)
		values = append(values, got...)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want %q", err, want)
			}
			if _, again := s.Poll(&b, 1000, 1<<20); again == nil {
				t.Error("the error went away")
			}
			return values
		}
		if eof || len(got) == 0 {
			t.Fatalf("no error; want %q", want)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func tempFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.ndjson")
	write(t, path, content)
	return path
}
