package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// memorySink keeps lines; what is not flushed is lost when it fails.
type memorySink struct {
	file           *[]string
	staged         []string
	failNextAppend *bool
	failNextFlush  *bool
}

func take(flag *bool) bool {
	on := *flag
	*flag = false
	return on
}

func (m *memorySink) Append(r *SinkRecord) error {
	if take(m.failNextAppend) {
		return errNo
	}
	m.staged = append(m.staged, string(r.Value))
	return nil
}

func (m *memorySink) Flush(context.Context) error {
	if take(m.failNextFlush) {
		return errNo
	}
	*m.file = append(*m.file, m.staged...)
	m.staged = nil
	return nil
}
func (m *memorySink) Close() error { return nil }

// newMemorySinks opens sinks on one file.
func newMemorySinks() (s *sharedSink, file *[]string, failAppend, failFlush *bool) {
	file, failAppend, failFlush = new([]string), new(bool), new(bool)
	return &sharedSink{open: func(context.Context) (ConnectorSink, error) {
		return &memorySink{file: file, failNextAppend: failAppend, failNextFlush: failFlush}, nil
	}}, file, failAppend, failFlush
}

// One worker's lines go down with a sink that failed for another worker: it is
// told at its flush, also when the sink works again by then.
func TestAWorkerIsToldThatItsLinesWentDownWithTheSink(t *testing.T) {
	for _, reopened := range []bool{true, false} {
		ctx := context.Background()
		s, file, failAppend, _ := newMemorySinks()
		if err := s.reopen(ctx); err != nil {
			t.Fatal(err)
		}
		a, b := &connSink{shared: s, id: "s"}, &connSink{shared: s, id: "s"}
		if err := a.append(ctx, &SinkRecord{Value: []byte("a1")}); err != nil {
			t.Fatal(err)
		}
		*failAppend = true
		if err := b.append(ctx, &SinkRecord{Value: []byte("b1")}); err == nil {
			t.Fatal("the failure of Append is not told")
		}
		if reopened {
			if err := b.append(ctx, &SinkRecord{Value: []byte("b1")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.flush(ctx); err == nil || reopened != errors.Is(err, errReopened) {
			t.Errorf("reopened %v: flush says %v; stored %q", reopened, err, *file)
		}
		if err := a.append(ctx, &SinkRecord{Value: []byte("a1")}); err != nil {
			t.Fatal(err)
		}
		if err := a.flush(ctx); err != nil {
			t.Errorf("second flush: %v", err)
		}
	}
}

// Whatever fails, every record's line is in the file in the end.
func TestRefusedLinesOfASinkComeAgain(t *testing.T) {
	for _, op := range []string{"append", "flush"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(t, 2)
			plan := onePlan(OnError{})
			plan.Handlers[0].Sinks = []Sink{{ID: "file:out", Kind: SinkConnector}}
			s, file, failAppend, failFlush := newMemorySinks()
			bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
			bk.Sink = func(ctx context.Context, _ int) (ConnectorSink, error) { return s.open(ctx) }
			h := New(plan, Options{MaxRecords: 3}, []int{0, 0}, 1, bk, discard)
			done := start(h)
			time.Sleep(time.Second)
			if op == "append" {
				*failAppend = true
			} else {
				*failFlush = true
			}
			feed(t, b, 0, 20, 2)
			time.Sleep(time.Minute)
			drained(t, h, done)
			seen := map[string]bool{}
			for _, l := range *file {
				seen[l] = true
			}
			for i := range 20 {
				if !seen[fmt.Sprint(i)] {
					t.Errorf("%s: line %d is missing", op, i)
				}
			}
		})
	}
}
