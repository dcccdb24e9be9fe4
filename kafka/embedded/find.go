package embedded

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNotRunning says that a directory has no broker that answers.
var ErrNotRunning = errors.New("no embedded broker is running here")

// Find returns the address of the broker that runs in dir, after it has
// answered a metadata request, or an error that is ErrNotRunning.
func Find(dir string) (string, error) {
	addr := readAddress(dir)
	if addr == "" {
		return "", fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := Probe(ctx, addr); err != nil {
		return "", fmt.Errorf("%s: %w (%s was its address: %w)", dir, ErrNotRunning, addr, err)
	}
	return addr, nil
}

// startTimeout bounds Ensure when its context has no deadline, and startSilent
// is how long a process that was started may take to lock the directory.
const (
	startTimeout = 20 * time.Second
	startSilent  = 10 * time.Second
)

// Ensure returns the address of the broker in dir, starting one with start if
// there is none, and waits until it answers. start must start a detached
// process that calls Serve on dir and return without waiting for it; its
// output belongs into LogPath(dir), from where a failure is quoted. Several
// processes may call Ensure at once: one of them starts the broker.
func Ensure(ctx context.Context, dir string, start func(dir string) error) (string, error) {
	if addr, err := Find(dir); err == nil {
		return addr, nil
	}
	if err := makeDir(dir); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	mine, err := waitLock(ctx, filepath.Join(dir, startFile))
	if err != nil {
		return "", err
	}
	defer mine.Close()
	var started time.Time
	var logged int64
	for {
		if addr, err := Find(dir); err == nil {
			return addr, nil
		}
		// Locked without an answer: another one starts or ends just now.
		if !locked(dir) {
			switch {
			case started.IsZero():
				started = time.Now()
				if st, err := os.Stat(LogPath(dir)); err == nil {
					logged = st.Size()
				}
				if err := start(dir); err != nil {
					return "", fmt.Errorf("start the embedded broker: %w", err)
				}
			case time.Since(started) > startSilent || lastLine(dir, logged) != "" && time.Since(started) > time.Second:
				return "", fmt.Errorf("the embedded broker did not start in %s: %s", dir, quoteLog(dir, logged))
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the embedded broker in %s does not answer: %s (%w)", dir, quoteLog(dir, logged), ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// LogPath is where the output of a broker started on demand belongs.
func LogPath(dir string) string { return filepath.Join(dir, logFile) }

func waitLock(ctx context.Context, path string) (*os.File, error) {
	for {
		f, held, err := tryLock(path)
		if err != nil {
			return nil, err
		}
		if !held {
			return f, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another process has been starting the embedded broker for too long; end it or remove nothing and try again: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func quoteLog(dir string, from int64) string {
	if line := lastLine(dir, from); line != "" {
		return "its log " + LogPath(dir) + " ends with: " + line
	}
	return "its log " + LogPath(dir) + " says nothing"
}

// lastLine returns the last line of the log beyond from.
func lastLine(dir string, from int64) string {
	f, err := os.Open(LogPath(dir))
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() <= from {
		return ""
	} else if st.Size()-from > 64<<10 {
		from = st.Size() - 64<<10
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	last := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" {
			last = line
		}
	}
	return last
}

// Probe asks the broker at addr for its metadata and reports why it did not
// answer with at least one broker.
func Probe(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 1
	req.Topics = []kmsg.MetadataRequestTopic{}
	const correlation = 1
	out := kmsg.NewRequestFormatter(kmsg.FormatterClientID("sliphost")).AppendRequest(nil, req, correlation)
	if _, err := c.Write(out); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return fmt.Errorf("no Kafka broker answers there: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(head[:4])) - 4
	if n < 0 || n > 16<<20 || binary.BigEndian.Uint32(head[4:]) != correlation {
		return errors.New("what answers there is no Kafka broker")
	}
	body, err := io.ReadAll(io.LimitReader(c, n))
	if err != nil {
		return err
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = 1
	if err := resp.ReadFrom(body); err != nil {
		return errors.New("what answers there is no Kafka broker")
	}
	if len(resp.Brokers) == 0 {
		return errors.New("the broker does not know itself yet")
	}
	return nil
}
