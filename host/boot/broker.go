package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sliphost/sliphost/kafka/embedded"
)

// BrokerOptions configure RunBroker.
type BrokerOptions struct {
	// Dir is the broker's directory, Addr its address on loopback; empty is the
	// port used last, or any.
	Dir, Addr string
	// IdleExit ends the broker that long after its last connection; 0 is never.
	IdleExit time.Duration
	// Logger takes the broker's logs; nil discards them.
	Logger *slog.Logger
	// Ready is called once with host:port when the broker answers.
	Ready func(addr string)
}

// RunBroker runs the embedded broker in this process until ctx ends or it has
// been idle for IdleExit, and ends it cleanly. It is the body of `sliphost
// broker`.
func RunBroker(ctx context.Context, o BrokerOptions) error {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b, err := embedded.Start(embedded.Options{Dir: o.Dir, Addr: o.Addr, IdleExit: o.IdleExit, Logger: log})
	if errors.Is(err, embedded.ErrRunning) {
		return fmt.Errorf("%w; commands with this state directory use that one already", err)
	}
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready(b.Addr())
	}
	select {
	case <-ctx.Done():
	case <-b.Idle():
		log.Info("no client is connected any more, the broker ends", "idle", o.IdleExit)
	}
	return b.Close()
}

// BrokerLog is the file that the output of a broker started on demand in dir
// belongs into: a failed start is explained from it.
func BrokerLog(dir string) string { return embedded.LogPath(dir) }
