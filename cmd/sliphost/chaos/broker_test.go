package chaos

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// apache is an Apache Kafka of this test's own, which may be killed.
type apache struct {
	t       *testing.T
	script  string
	env     []string
	run     string // its directory
	broker  *kafkatest.Broker
	command []string // of the JVM
	pid     int
}

// startApache starts one on ports that nobody uses.
func startApache(t *testing.T) *apache {
	t.Helper()
	port := freePorts(t)
	cache, err := filepath.Abs(filepath.Join(root, ".cache", "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	k := &apache{t: t, script: filepath.Join(root, "kafka", "kafkatest", "apache.sh"), run: filepath.Join(cache, "run-"+strconv.Itoa(port))}
	k.env = append(os.Environ(), "SLIPHOST_KAFKA_PORT="+strconv.Itoa(port), "SLIPHOST_KAFKA_CACHE="+cache)
	cmd := exec.Command(k.script, "start")
	cmd.Env = k.env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("start an Apache Kafka: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(k.pid, syscall.SIGKILL)
		_ = os.RemoveAll(k.run)
	})
	k.broker = &kafkatest.Broker{Name: "apache", Addr: strings.TrimSpace(string(out))}
	text, err := os.ReadFile(filepath.Join(k.run, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if k.pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", k.pid))
	if err != nil {
		t.Skipf("the command of a process cannot be read here: %v", err)
	}
	k.command = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	return k
}

// freePorts finds a port that is free together with the next one.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		_ = first.Close()
		if err == nil {
			_ = second.Close()
			return port
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

// bounce kills the broker and starts it again on its data.
func (k *apache) bounce(down time.Duration) {
	k.t.Helper()
	if err := syscall.Kill(k.pid, syscall.SIGKILL); err != nil {
		k.t.Fatal(err)
	}
	time.Sleep(down)
	log, err := os.OpenFile(filepath.Join(k.run, "kafka.log"), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(k.command[0], k.command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.pid = cmd.Process.Pid
	go func() { _ = cmd.Wait() }()
}

// brokerKills is B1: the broker, and with it every leader and coordinator, is
// killed and started again while two hosts work.
func brokerKills(a *app, k *apache) {
	a.rounds = rounds(1, 5)
	// The first group of a new broker waits for the topic of all groups' offsets,
	// on a busy machine for longer than a host's start does.
	for end := time.Now().Add(time.Minute); a.watch.next.Load() == nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			a.t.Fatal("a new Apache Kafka has no coordinator after a minute")
		}
	}
	a.start()
	hosts := []*process{a.run("a"), a.run("b")}
	a.progress(1000)
	for range a.rounds {
		a.watch.outage.Store(true)
		k.bounce(a.upTo(2 * time.Second))
		a.kills++
		a.sleep(10 * time.Second) // a JVM's start
		a.watch.outage.Store(false)
		a.progress(1000)
	}
	for _, h := range hosts {
		h.stop(a.t)
	}
	a.finish("a")
}

// TestBrokerKills needs an Apache Kafka that it may kill, so it starts one. It
// is part of the full matrix where Apache Kafka is tested at all.
func TestBrokerKills(t *testing.T) {
	if !full() || os.Getenv(kafkatest.Env) == "" {
		t.Skipf("part of `make chaos` with %s set", kafkatest.Env)
	}
	for _, language := range []string{"go", "rust"} {
		t.Run(language, func(t *testing.T) {
			k := startApache(t)
			brokerKills(newApp(t, k.broker, "B1 broker kills", language, options{}), k)
		})
	}
}
