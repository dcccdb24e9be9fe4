package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// connectorDir writes a manifest with handler identity; rest are tables, with
// %[1]s for a topic's name.
func connectorDir(t *testing.T, b *kafkatest.Broker, out, rest string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`version = 1
name = %q
commit_interval = "20ms"
[kafka]
bootstrap_servers = %q
[module.m]
path = %q
[topic.out]
name = %q
%s`, kafkatest.Name("conn"), b.Addr, filepath.Join(guests(t), "rust-all.wasm"), out, rest)
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Lines of a file come into a topic exactly once, however often the host is
// killed on the way: their position is part of each transaction.
func TestFileToTopicIsExactlyOnceAcrossKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		out := b.Topic(t, 3)
		dir := connectorDir(t, b, out, `[handler.identity]
source = ["file:in.txt"]
sink = ["out"]
`)
		in, err := os.OpenFile(filepath.Join(dir, "in.txt"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		stop, written := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			for {
				var lines bytes.Buffer
				for range 50 {
					fmt.Fprintln(&lines, n)
					n++
				}
				if _, err := in.Write(lines.Bytes()); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					written <- n
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		}()
		for range 8 {
			p := start(t, dir, "run")
			time.Sleep(time.Duration(200+rnd.IntN(900)) * time.Millisecond)
			p.kill()
		}
		close(stop)
		n := <-written
		start(t, dir, "run", "--until-idle").end(t, time.Minute)
		seen := make([]int, n)
		for _, r := range b.ConsumeAll(t, out) {
			i, err := strconv.Atoi(string(r.Value))
			if err != nil || i >= n {
				t.Fatalf("foreign record %q", r.Value)
			}
			seen[i]++
		}
		for i, times := range seen {
			if times != 1 {
				t.Fatalf("line %d of %d came %d times", i, n, times)
			}
		}
	})
}

// freePort returns an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// post posts until there is an answer; the host may not listen yet.
func post(t *testing.T, url, kind, body string) (int, string) {
	t.Helper()
	for try := 0; ; try++ {
		resp, err := http.Post(url, kind, strings.NewReader(body))
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			return resp.StatusCode, string(text)
		}
		if try == 200 {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// What is posted is in the topic when the answer comes, and at the webhook; a
// body that is no JSON is a dead letter, and so is a record that the webhook
// refuses.
func TestPostedRecordsAreCommittedWhenAnswered(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		hooked := make(chan string, 100)
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"refuse"`) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			hooked <- r.Header.Get("Content-Type") + " " + string(body)
		}))
		defer hook.Close()
		out, dead := b.Topic(t, 1), b.Topic(t, 1)
		address := freePort(t)
		dir := connectorDir(t, b, out, fmt.Sprintf(`codec = "json"
[topic.dead]
name = %q
[http]
listen = %q
[handler.identity]
source = ["http:/in:json"]
sink = ["out", %q]
on_error = { topic = "dead" }
`, dead, address, hook.URL))
		p := start(t, dir, "run")
		url := "http://" + address + "/in?key=k"
		if status, body := post(t, url, "application/json", `{"n":1}`); status != 200 || !strings.Contains(body, `"records":1`) {
			t.Fatalf("%d %s\n%s", status, body, p.err.String())
		}
		if got := b.ConsumeAll(t, out); len(got) != 1 || string(got[0].Value) != `{"n":1}` || string(got[0].Key) != "k" {
			t.Errorf("in the topic: %v", got)
		}
		if got := <-hooked; got != `application/json {"n":1}` {
			t.Errorf("posted on: %q", got)
		}
		if status, body := post(t, url, "application/json", `{"n":`); status != 422 || !strings.Contains(body, `"code":"undecodable"`) || !strings.Contains(body, `"dead_letter":true`) {
			t.Errorf("no JSON: %d %s", status, body)
		}
		if status, body := post(t, url, "application/json", `{"n":"refuse"}`); status != 422 || !strings.Contains(body, `"code":"output"`) {
			t.Errorf("refused by the webhook: %d %s", status, body)
		}
		if status, body := post(t, url, "application/x-ndjson", "{\"n\":2}\n{\"n\":3}\n"); status != 200 || !strings.Contains(body, `"records":2`) {
			t.Errorf("lines: %d %s", status, body)
		}
		if got := b.ConsumeAll(t, out); len(got) != 3 {
			t.Errorf("%d of 3 in the topic", len(got))
		}
		if got := b.ConsumeAll(t, dead); len(got) != 2 || string(got[0].Value) != `{"n":` || string(got[1].Value) != `{"n":"refuse"}` {
			t.Errorf("dead letters %v", got)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.end(t, 30*time.Second)
	})
}

// Posts that were answered survive kills; those that were not may be there.
func TestAnsweredPostsSurviveKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		out := b.Topic(t, 2)
		address := freePort(t)
		dir := connectorDir(t, b, out, fmt.Sprintf("[http]\nlisten = %q\n[handler.identity]\nsource = [\"http:/in\"]\nsink = [\"out\"]\n", address))
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		answered := map[string]bool{}
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					body := fmt.Sprintf("%d-%d", c, n)
					resp, err := http.Post("http://"+address+"/in", "text/plain", strings.NewReader(body))
					if err != nil {
						time.Sleep(5 * time.Millisecond)
						continue
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode == 200 {
						mu.Lock()
						answered[body] = true
						mu.Unlock()
					}
				}
			})
		}
		for range 5 {
			p := start(t, dir, "run")
			for before := len(answered); ; {
				mu.Lock()
				now := len(answered)
				mu.Unlock()
				if now >= before+40 {
					break
				}
				select {
				case <-p.done:
					t.Fatalf("the host ended:\n%s", p.err.String())
				case <-time.After(10 * time.Millisecond):
				}
			}
			p.kill()
		}
		cancel()
		clients.Wait()
		p := start(t, dir, "run") // settles the transaction of the last one
		post(t, "http://"+address+"/in", "text/plain", "last")
		p.kill()
		seen := map[string]int{}
		for _, r := range b.ConsumeAll(t, out) {
			seen[string(r.Value)]++
		}
		for body := range answered {
			if seen[body] != 1 {
				t.Errorf("%s was answered 200 and is there %d times", body, seen[body])
			}
		}
	})
}

// Two processes of a group: a timer ticks once, whoever of them is killed.
func TestATimerTicksOnceInTwoProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		out := b.Topic(t, 1)
		dir := connectorDir(t, b, out, "[handler.ticked]\nfunction = \"identity\"\nsource = [\"timer:500ms\"]\nsink = [\"out\"]\n")
		one := start(t, dir, "run", "--state-dir", filepath.Join(dir, "one"))
		two := start(t, dir, "run", "--state-dir", filepath.Join(dir, "two"))
		time.Sleep(4 * time.Second)
		one.kill()
		time.Sleep(14 * time.Second) // a session ends after ten seconds
		if err := two.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		two.end(t, 30*time.Second)
		seen := map[int64]int{}
		recs := b.ConsumeAll(t, out)
		for _, r := range recs {
			seen[r.Timestamp]++
			if r.Timestamp%500 != 0 || seen[r.Timestamp] > 1 {
				t.Errorf("the tick at %d came %d times", r.Timestamp, seen[r.Timestamp])
			}
		}
		if len(recs) < 10 {
			t.Errorf("only %d ticks\n%s\n%s", len(recs), one.err.String(), two.err.String())
		}
	})
}
