package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Admin creates, describes and deletes. It may be used concurrently.
type Admin struct {
	// detail is what the client said last about its connections.
	detail atomic.Pointer[string]

	cfg  ClientConfig
	log  *slog.Logger
	p    *ck.Producer // the client behind admin; it produces nothing
	a    *ck.AdminClient
	logs *logPump
	done chan struct{}
	end  context.CancelFunc
}

// NewAdmin makes an admin client; it does not wait for a broker, see Ready.
func NewAdmin(cfg ClientConfig) (*Admin, error) {
	if cfg.servers() == "" {
		return nil, fmt.Errorf("make a Kafka admin client: %w", errNoServers)
	}
	cfg.OnStats = nil
	props := cfg.base('P', nil)
	a := &Admin{cfg: cfg, log: cfg.logger(), logs: newLogPump(cfg.logger()), done: make(chan struct{})}
	m := configMap(props)
	(*m)["go.logs.channel.enable"] = true
	(*m)["go.logs.channel"] = a.logs.in
	p, err := ck.NewProducer(m)
	if err != nil {
		a.logs.stop()
		return nil, newError("make a Kafka admin client", err)
	}
	a.p = p
	if a.a, err = ck.NewAdminClientFromProducer(p); err != nil {
		p.Close()
		a.logs.stop()
		return nil, newError("make a Kafka admin client", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.end = cancel
	go a.drain(ctx)
	return a, nil
}

// drain empties the client's events: nobody waits for them, and they would
// pile up.
func (a *Admin) drain(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-a.p.Events():
			if !ok {
				return
			}
			if e, bad := ev.(ck.Error); bad {
				if detail := e.Error(); e.Code() != ck.ErrAllBrokersDown {
					a.detail.Store(&detail)
				}
				a.log.Debug("the Kafka admin client reports an error", "detail", e.String())
			}
		}
	}
}

// Close frees the client.
func (a *Admin) Close() error {
	a.a.Close()
	a.p.Close()
	a.end()
	<-a.done
	a.logs.stop()
	return nil
}

// Ready waits until a broker answers a metadata request, at most until ctx
// ends, and says in one sentence why none did.
func (a *Admin) Ready(ctx context.Context) error {
	start, told := time.Now(), false
	err := retry(ctx, "reach the Kafka broker", func(limit time.Duration) error {
		md, err := a.p.GetMetadata(nil, false, int(limit.Milliseconds()))
		if err != nil {
			if !told && time.Since(start) > quietWait {
				told = true
				a.log.Warn("waiting for a Kafka broker to answer", "brokers", a.cfg.servers(), "detail", a.whyNot(err))
			}
			return newError("reach the Kafka broker", err)
		}
		if len(md.Brokers) == 0 {
			return codeError("reach the Kafka broker", Code(ck.ErrBrokerNotAvailable), "", "", -1, noOffset)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return &unreachable{err: err, text: fmt.Sprintf("no broker answered at %s within %s: %s; is it running, and is the address right?",
		a.cfg.servers(), time.Since(start).Round(100*time.Millisecond), a.whyNot(err))}
}

// quietWait is how long Ready waits before it says so.
const quietWait = 2 * time.Second

// whyNot is the client's last word on its connections, which tells a name that
// does not resolve from a refused connection; without one it is err's.
func (a *Admin) whyNot(err error) string {
	if detail := a.detail.Load(); detail != nil {
		why, _, _ := strings.Cut(*detail, " (after ") // how long it took, in which state
		if _, after, named := strings.Cut(why, "/bootstrap: "); named {
			return after
		}
		return why
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code.String()
	}
	return err.Error()
}

// unreachable says in one sentence what err was about.
type unreachable struct {
	text string
	err  error
}

func (e *unreachable) Error() string { return e.text }
func (e *unreachable) Unwrap() error { return e.err }
