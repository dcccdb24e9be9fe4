package host

import (
	"context"
	"errors"
	"sync"
)

// sharedSink is a connector sink of the host, which all workers append to. A
// sink that failed is opened anew; every worker that had appended to the old
// one and not flushed is told at its next Flush, since its lines may be lost.
// It is safe for concurrent use.
type sharedSink struct {
	open func(context.Context) (ConnectorSink, error)

	mu     sync.Mutex
	sink   ConnectorSink
	opened uint64 // counts the times it was opened
	failed error
}

// errReopened is what a worker gets whose unflushed lines went down with a
// sink.
var errReopened = errors.New("the sink failed for another worker and was opened again; lines not flushed are written again")

// append adds a record and returns which opening of the sink has it.
func (s *sharedSink) append(ctx context.Context, r *SinkRecord) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		if err := s.reopen(ctx); err != nil {
			return 0, err
		}
	}
	if err := s.sink.Append(r); err != nil {
		s.failed = err
		return 0, err
	}
	return s.opened, nil
}

// flush returns when everything appended in that opening is stored.
func (s *sharedSink) flush(ctx context.Context, opening uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if s.opened != opening {
		return errReopened
	}
	if err := s.sink.Flush(ctx); err != nil {
		s.failed = err
		return err
	}
	return nil
}

func (s *sharedSink) reopen(ctx context.Context) error {
	if s.sink != nil {
		_ = s.sink.Close() // it failed already and said why
		s.sink = nil
	}
	sink, err := s.open(ctx)
	if err != nil {
		s.failed = err
		return err
	}
	s.sink, s.failed = sink, nil
	s.opened++
	return nil
}

func (s *sharedSink) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sink == nil {
		return nil
	}
	return s.sink.Close()
}

// connSink is a shared sink as one worker uses it.
type connSink struct {
	shared *sharedSink
	id     string
	// opening is what the first unflushed record was appended to, 0 if all is
	// flushed.
	opening uint64
	// own says that no other worker has it, so that an error about one record is
	// about one of this worker's.
	own bool
	// sent lists the calls behind the records since the last flush, where a run
	// is careful.
	sent []callKey
}

func (s *connSink) append(ctx context.Context, r *SinkRecord) error {
	opening, err := s.shared.append(ctx, r)
	if err != nil {
		return err
	}
	if s.opening == 0 {
		s.opening = opening
	}
	return nil
}

func (s *connSink) flush(ctx context.Context) error {
	if s.opening == 0 {
		return nil
	}
	opening := s.opening
	s.opening = 0
	return s.shared.flush(ctx, opening)
}
