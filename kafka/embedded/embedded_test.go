package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/embedded"
	"github.com/sliphost/sliphost/kafka/kafkatest"
	"go.uber.org/goleak"
)

// brokerDir makes this test binary a broker process.
const (
	brokerDir  = "SLIPHOST_TEST_BROKER"
	brokerIdle = "SLIPHOST_TEST_BROKER_IDLE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDir); dir != "" {
		idle, _ := time.ParseDuration(os.Getenv(brokerIdle))
		if err := embedded.Serve(context.Background(), embedded.Options{Dir: dir, IdleExit: idle}); err != nil {
			slog.Error(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// spawner starts broker processes and counts them.
type spawner struct {
	t     testing.TB
	idle  time.Duration
	count atomic.Int32
	mu    sync.Mutex
	procs []*exec.Cmd
}

func newSpawner(t testing.TB, idle time.Duration) *spawner {
	s := &spawner{t: t, idle: idle}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.procs {
			_ = c.Process.Kill()
			_, _ = c.Process.Wait()
		}
	})
	return s
}

func (s *spawner) start(dir string) error {
	s.count.Add(1)
	log, err := os.OpenFile(embedded.LogPath(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), brokerDir+"="+dir, brokerIdle+"="+s.idle.String())
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.procs = append(s.procs, c)
	return nil
}

func (s *spawner) last() *exec.Cmd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[len(s.procs)-1]
}

func quiet(dir string) embedded.Options {
	return embedded.Options{Dir: dir, Logger: kafkatest.Quiet()}
}

func ctx(t testing.TB) context.Context { return kafkatest.Context(t) }

func TestManyStartOneBroker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "broker")
	s := newSpawner(t, 0)
	var wg sync.WaitGroup
	addrs := make([]string, 8)
	for i := range addrs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			addr, err := embedded.Ensure(ctx(t), dir, s.start)
			if err != nil {
				t.Error(err)
			}
			addrs[i] = addr
		}()
	}
	wg.Wait()
	for _, a := range addrs {
		if a == "" || a != addrs[0] {
			t.Errorf("addresses %v", addrs)
			break
		}
	}
	if n := s.count.Load(); n != 1 {
		t.Errorf("%d brokers were started", n)
	}
	if found, err := embedded.Find(dir); err != nil || found != addrs[0] {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestKilledBrokerIsReplaced(t *testing.T) {
	dir := t.TempDir()
	s := newSpawner(t, 0)
	first, err := embedded.Ensure(ctx(t), dir, s.start)
	if err != nil {
		t.Fatal(err)
	}
	b := &kafkatest.Broker{Name: "embedded", Addr: first}
	topic := b.Topic(t, 1)
	for i := range 50 {
		b.Produce(t, topic, kafkatest.Record{Record: kafka.Record{Value: fmt.Append(nil, i), Timestamp: -1}})
	}
	commit(t, b, "group", topic, 7)
	_ = s.last().Process.Kill()
	_, _ = s.last().Process.Wait()
	if _, err := embedded.Find(dir); !errors.Is(err, embedded.ErrNotRunning) {
		t.Fatalf("find after the kill: %v", err)
	}
	again, err := embedded.Ensure(ctx(t), dir, s.start)
	if err != nil {
		t.Fatal(err)
	}
	if again != first {
		t.Errorf("the port changed from %s to %s", first, again)
	}
	if n := s.count.Load(); n != 2 {
		t.Errorf("%d brokers were started", n)
	}
	if n := len(b.ConsumeAll(t, topic)); n != 50 {
		t.Errorf("%d records after the kill", n)
	}
	if o := committed(t, b, "group", topic); o != 7 {
		t.Errorf("the group's offset is %d after the kill", o)
	}
}

func TestStaleAddress(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	// Somebody else answers at the old address, and holds the old port.
	if err := os.WriteFile(filepath.Join(dir, "address"), []byte(ln.Addr().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if err := os.WriteFile(filepath.Join(dir, "port"), []byte(port+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Find(dir); !errors.Is(err, embedded.ErrNotRunning) {
		t.Errorf("find: %v", err)
	} else {
		t.Log(err)
	}
	b, err := embedded.Start(quiet(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Addr() == ln.Addr().String() {
		t.Error("it took a port that is in use")
	}
	if found, err := embedded.Find(dir); err != nil || found != b.Addr() {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestEndsByItself(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Start(embedded.Options{Dir: dir, IdleExit: 300 * time.Millisecond, Logger: kafkatest.Quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Idle():
		t.Fatal("it became idle with a client")
	case <-time.After(700 * time.Millisecond):
	}
	closed := time.Now()
	_ = c.Close()
	select {
	case <-b.Idle():
	case <-time.After(10 * time.Second):
		t.Fatal("it never became idle")
	}
	if d := time.Since(closed); d < 250*time.Millisecond {
		t.Errorf("it became idle after %s", d)
	}

	// As a process: it exits, with its address gone.
	dir = t.TempDir()
	s := newSpawner(t, 300*time.Millisecond)
	if _, err := embedded.Ensure(ctx(t), dir, s.start); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.last().Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the process ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the process does not end")
	}
	if _, err := os.Stat(filepath.Join(dir, "address")); !os.IsNotExist(err) {
		t.Errorf("the address is still there: %v", err)
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	open := func() (*embedded.Broker, *kafkatest.Broker) {
		b, err := embedded.Start(quiet(dir))
		if err != nil {
			t.Fatal(err)
		}
		return b, &kafkatest.Broker{Name: "embedded", Addr: b.Addr(), Embedded: b, Dir: dir}
	}
	first, b := open()
	topic := b.Topic(t, 2, "cleanup.policy=compact")
	var want []kafkatest.Record
	for i := range 200 {
		want = append(want, kafkatest.Record{Partition: int32(i % 2), Record: kafka.Record{Key: fmt.Append(nil, i), Value: []byte("v"), Timestamp: -1}})
	}
	b.Produce(t, topic, want...)
	commit(t, b, "group", topic, 42)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, b2 := open()
	defer again.Close()
	if again.Addr() != first.Addr() {
		t.Errorf("the port changed: %s, %s", first.Addr(), again.Addr())
	}
	if n := len(b2.ConsumeAll(t, topic)); n != len(want) {
		t.Errorf("%d records after the restart, want %d", n, len(want))
	}
	if o := committed(t, b2, "group", topic); o != 42 {
		t.Errorf("the group's offset is %d after the restart", o)
	}
	a := b2.Admin(t)
	defer a.Close()
	d, err := a.DescribeTopics(ctx(t), topic)
	if err != nil || d[0].Partitions != 2 || d[0].Config["cleanup.policy"] != "compact" {
		t.Errorf("the topic is %+v after the restart, %v", d, err)
	}
}

func TestOneBrokerADirectory(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Start(quiet(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = embedded.Start(quiet(dir))
	if !errors.Is(err, embedded.ErrRunning) || !strings.Contains(err.Error(), b.Addr()) {
		t.Errorf("the second start: %v", err)
	}
}

func TestSentencesForWhatGoesWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	never := func(string) error { t.Error("a broker was started"); return nil }
	if _, err := embedded.Ensure(ctx(t), filepath.Join(file, "sub"), never); err == nil || !strings.Contains(err.Error(), "choose a state_dir you may write to") {
		t.Errorf("a directory below a file: %v", err)
	}
	if _, err := embedded.Start(quiet("")); err == nil {
		t.Error("a broker without a directory")
	}
	for _, addr := range []string{"0.0.0.0:9092", "example.com:9092", "9092", ":9092"} {
		o := quiet(t.TempDir())
		o.Addr = addr
		if b, err := embedded.Start(o); err == nil {
			_ = b.Close()
			t.Errorf("it listens on %s", addr)
		} else {
			t.Log(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := quiet(t.TempDir())
	o.Addr = ln.Addr().String()
	if _, err := embedded.Start(o); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port in use: %v", err)
	}

	dir := t.TempDir()
	if _, err := embedded.Ensure(ctx(t), dir, func(string) error { return errors.New("no such binary") }); err == nil || !strings.Contains(err.Error(), "no such binary") {
		t.Errorf("a start that fails: %v", err)
	}
	dies := func(dir string) error {
		return os.WriteFile(embedded.LogPath(dir), []byte("first\nthe disk is full\n"), 0o600)
	}
	if _, err := embedded.Ensure(ctx(t), dir, dies); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("a process that dies: %v", err)
	}
	short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := embedded.Ensure(short, t.TempDir(), func(string) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a process that says nothing: %v", err)
	}
}

func TestDamagedDataIsASentence(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Start(quiet(dir))
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	data := filepath.Join(dir, "data")
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) == 0 {
		t.Fatalf("no data: %v", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			if err := os.WriteFile(filepath.Join(data, e.Name()), []byte("{\x00"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if b, err = embedded.Start(quiet(dir)); err == nil {
		_ = b.Close()
		t.Fatal("it started on damaged data")
	}
	if !strings.Contains(err.Error(), "remove the directory to begin anew") {
		t.Error(err)
	}
	// The failed start has let go of everything.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if b, err = embedded.Start(quiet(dir)); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
}
