// Package kafkatest gives tests a broker: the embedded one always, and an
// Apache Kafka where SLIPHOST_KAFKA names one (apache.sh starts it). What a
// test does on both shows where they differ.
package kafkatest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/embedded"
)

// Env names the variable with the address of an Apache Kafka, host:port.
const Env = "SLIPHOST_KAFKA"

// Broker is a broker a test may use.
type Broker struct {
	// Name is embedded or apache.
	Name string
	// Addr is host:port.
	Addr string
	// Embedded is the broker itself, or nil for an Apache Kafka.
	Embedded *embedded.Broker
	// Dir is the embedded broker's directory.
	Dir string
}

// Each runs test as a subtest on each broker there is.
func Each(t *testing.T, test func(t *testing.T, b *Broker)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Embedded(t)) })
	if addr := os.Getenv(Env); addr != "" {
		t.Run("apache", func(t *testing.T) { test(t, &Broker{Name: "apache", Addr: addr}) })
	}
}

// Embedded starts an embedded broker that ends with the test.
func Embedded(t testing.TB) *Broker {
	t.Helper()
	dir := t.TempDir()
	b, err := embedded.Start(embedded.Options{Dir: dir, Logger: Quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return &Broker{Name: "embedded", Addr: b.Addr(), Embedded: b, Dir: dir}
}

// Quiet is a logger that says nothing.
func Quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// Config returns a client configuration for the broker that logs nothing.
func (b *Broker) Config() kafka.ClientConfig {
	return kafka.ClientConfig{
		Properties: map[string]string{"bootstrap.servers": b.Addr},
		Logger:     Quiet(),
	}
}

var names atomic.Int64

// Name returns a name that no other test, and no other run, uses.
func Name(prefix string) string {
	prefix = strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '-'
	}, prefix)
	return fmt.Sprintf("%s-%x-%d", prefix, time.Now().UnixNano(), names.Add(1))
}

// Topic creates a topic with a unique name and deletes it after the test.
// config is a list of name=value.
func (b *Broker) Topic(t testing.TB, partitions int, config ...string) string {
	t.Helper()
	name := Name(t.Name())
	spec := kafka.TopicSpec{Name: name, Partitions: partitions, Replication: 1, Config: map[string]string{}}
	for _, c := range config {
		k, v, _ := strings.Cut(c, "=")
		spec.Config[k] = v
	}
	a := b.Admin(t)
	if _, err := a.CreateTopics(Context(t), spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.Embedded == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = a.DeleteTopics(ctx, name)
		}
		_ = a.Close()
	})
	return name
}

// Admin returns an admin client. The caller closes it.
func (b *Broker) Admin(t testing.TB) *kafka.Admin {
	t.Helper()
	a, err := kafka.NewAdmin(b.Config())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Context returns a context that ends with the test, or after a minute.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Record is a record with its partition.
type Record struct {
	Partition int32
	kafka.Record
}

// Unpack copies the records of a batch.
func Unpack(t testing.TB, b *abi.Packed) []Record {
	t.Helper()
	var out []Record
	for _, run := range b.Runs {
		n := int32(0)
		for r, err := range kafka.Records(b, run) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			out = append(out, Record{Partition: run.Partition, Record: clone(r)})
		}
		if n != run.Count {
			t.Fatalf("a run of %s[%d] says %d records and has %d", "topic", run.Partition, run.Count, n)
		}
		if last := out[len(out)-1].Offset; last != run.LastOffset {
			t.Fatalf("a run of partition %d says its last offset is %d and has %d", run.Partition, run.LastOffset, last)
		}
	}
	return out
}

func clone(r kafka.Record) kafka.Record {
	r.Key, r.Value = copied(r.Key), copied(r.Value)
	for i := range r.Headers {
		r.Headers[i].Value = copied(r.Headers[i].Value)
	}
	return r
}

func copied(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}
