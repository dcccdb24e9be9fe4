package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
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

// BrokerIdleEnv shortens the life of a broker that SpawnBroker starts, for
// tests and scripts that clean up behind themselves.
const BrokerIdleEnv = "SLIPHOST_BROKER_IDLE"

// SpawnBroker starts this program's own command `broker` on dir, detached: it
// outlives the command that needs it. It is what Options.StartBroker is in
// every program that has that command.
func SpawnBroker(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	log, err := os.OpenFile(BrokerLog(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the broker's log: %w", err)
	}
	defer log.Close()
	args := []string{"broker", "--dir", dir}
	if idle := os.Getenv(BrokerIdleEnv); idle != "" {
		args = append(args, "--idle-exit", idle)
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: a terminal's Ctrl-C is not meant for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
