package chaos

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// process is a real `sliphost run`.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	// ours is set once this test has killed it.
	ours bool
}

// spawn starts bin in dir with its output in a file; it ends with the test.
func spawn(t *testing.T, bin, dir, name string, env []string, args ...string) *process {
	t.Helper()
	path := filepath.Join(dir, name+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // the child has its own
	p := &process{name: name, cmd: exec.Command(bin, args...), log: path, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, f, f
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends it at once, also if it is stopped.
func (p *process) kill() {
	p.ours = true
	p.signal(syscall.SIGKILL)
	<-p.done
}

// ended says whether it has come to an end by now.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// crashed says whether it killed itself, as a crash point does.
func (p *process) crashed() bool {
	if !p.ended() || p.ours {
		return false
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}

// end waits for an end in good order.
func (p *process) end(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.signal(syscall.SIGQUIT)
		<-p.done
		t.Fatalf("process %s did not end within %s:\n%s", p.name, within, p.tail())
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() && status.Signal() == syscall.SIGTERM {
		return // the signal was faster than main
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("process %s ended with %s:\n%s", p.name, p.cmd.ProcessState, p.tail())
	}
}

// stop asks it to end and waits for that.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.ended() {
		t.Fatalf("process %s has ended by itself, %s:\n%s", p.name, p.cmd.ProcessState, p.tail())
	}
	p.signal(syscall.SIGTERM)
	p.end(t, 40*time.Second)
}

// tail is the end of what it said.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if n := len(lines) - 25; n > 0 {
		lines = append([][]byte{[]byte("(" + strconv.Itoa(n) + " lines more in " + p.log + ")")}, lines[n:]...)
	}
	return string(bytes.Join(lines, []byte("\n")))
}
