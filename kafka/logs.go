package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// logPump moves the library's log events into a slog.Logger.
type logPump struct {
	in   chan ck.LogEvent
	done chan struct{}
	once sync.Once
}

func newLogPump(log *slog.Logger) *logPump {
	l := &logPump{in: make(chan ck.LogEvent, 1000), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for ev := range l.in {
			logLine(log, ev.Level, ev.Tag, ev.Message)
		}
	}()
	return l
}

// stop ends the pump once the client that writes to it is gone.
func (l *logPump) stop() {
	l.once.Do(func() { close(l.in) })
	<-l.done
}

// logLine maps syslog levels. Connections that break are the client's daily
// bread and told once by connection, so the library's own word on them is a
// detail.
func logLine(log *slog.Logger, level int, facility, msg string) {
	l := slog.LevelDebug
	switch {
	case facility == "FAIL" || facility == "ERROR" || facility == "REQTMOUT" || facility == "SESSTMOUT" || facility == "COMMITFAIL",
		// What becomes of a transaction is returned by the call that meets it.
		facility == "TXNERR" || facility == "ADDOFFSETS":
		l = slog.LevelDebug
	case level <= 3:
		l = slog.LevelError
	case level == 4:
		l = slog.LevelWarn
	case level <= 6:
		l = slog.LevelInfo
	}
	log.Log(context.Background(), l, msg, "component", "librdkafka", "facility", facility)
}

// firstReminder is after what time a call that waits for a broker says so, the
// first time.
const firstReminder = 30 * time.Second

// reminder tells a person at growing intervals that a call still waits for a
// broker.
type reminder struct {
	began time.Time
	next  time.Duration
}

func (r *reminder) tell(log *slog.Logger, doing, detail string) {
	if waited := time.Since(r.began); waited >= r.next {
		log.Warn("the Kafka broker has not answered yet; waiting until it does", "doing", doing, "waited", waited.Round(time.Second), "detail", detail)
		r.next *= 2
	}
}

// connection tells a person when the brokers go away and when they are back,
// once each. It is used by one goroutine.
type connection struct {
	log     *slog.Logger
	servers string
	lost    bool
}

func (c *connection) down(detail string) {
	if !c.lost {
		c.lost = true
		c.log.Warn("cannot reach the Kafka broker, trying again until it answers", "brokers", c.servers, "detail", detail)
	}
}

func (c *connection) up() {
	if c.lost {
		c.lost = false
		c.log.Info("the Kafka broker answers again", "brokers", c.servers)
	}
}
