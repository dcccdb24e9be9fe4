package kafka_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// TestPropertyTable compares the table of names with the library: every name
// in it is one, and every one the library lists is in it.
func TestPropertyTable(t *testing.T) {
	listed := kafka.LibraryProperties()
	if len(listed) < 50 {
		t.Fatalf("the library lists %d properties", len(listed))
	}
	// Documented nowhere, so not for users either.
	hidden := map[string]bool{
		"client.software.name": true, "client.software.version": true, "metadata.request.timeout.ms": true,
		"enable.sparse.connections": true, "enable_sasl_queue": true,
		"test.mock.num.brokers": true, "test.mock.broker.rtt": true,
	}
	for _, name := range listed {
		if hidden[name] {
			continue
		}
		if _, ok := kafka.Properties[name]; !ok && !kafka.IsPointer(name) {
			t.Errorf("the library has %s, the table does not", name)
		}
	}
	for name := range kafka.Properties {
		if !kafka.KnowsProperty(name) {
			t.Errorf("the table has %s, the library does not", name)
		}
	}
	for name := range kafka.Refused {
		if !kafka.KnowsProperty(name) {
			t.Errorf("%s is refused and no property", name)
		}
	}
}

func TestCheckProperty(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"bootstrap.servers", "a:1,b:2", ""},
		{"security.protocol", "SASL_SSL", ""},
		{"sasl.password", "s3cret", ""},
		{"ssl.ca.location", "/nowhere", ""},
		{"linger.ms", "20", ""},
		{"compression.type", "lz4", ""},
		{"partitioner", "murmur2_random", ""},
		{"client.id", "me", ""},
		{"enable.auto.commit", "false", "cannot be set here: offsets are committed only after"},
		{"group.id", "x", "use name"},
		{"transactional.id", "x", "cannot be set here"},
		{"auto.offset.reset", "latest", "start says"},
		{"acks", "1", "always all"},
		{"enable.idempotence", "false", "always on"},
		{"isolation.level", "read_uncommitted", "always read_committed"},
		{"partition.assignment.strategy", "range", "the engine chooses it"},
		{"go.events.channel.enable", "true", "belongs to a Go library"},
		{"linger_ms", "20", "did you mean linger.ms?"},
		{"Linger.MS", "20", "did you mean linger.ms?"},
		{"fetch.message.maxbytes", "1", "did you mean fetch.message.max.bytes?"},
		{"security.protocoll", "ssl", "did you mean security.protocol?"},
		{"flux.capacitor", "1.21", "is no property of the Kafka client"},
		{"linger.ms", "soon", "has a value the Kafka client does not accept"},
		{"security.protocol", "TLS", "has a value the Kafka client does not accept"},
	} {
		err := kafka.CheckProperty(test.name, test.value)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		var pe *kafka.PropertyError
		if !errors.As(err, &pe) || !strings.Contains(err.Error(), test.want) || pe.Name != test.name {
			t.Errorf("%s = %s: got %v, want ... %s", test.name, test.value, err, test.want)
		}
	}
	if err := kafka.CheckProperty("flux.capacitor", "1"); strings.Contains(err.Error(), "did you mean") {
		t.Errorf("a suggestion for what is like nothing: %v", err)
	}
}

// TestSecretsAreNotPrinted gives the client bad and good secrets and looks for
// them in what comes back.
func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "hunter2-hunter2"
	log := &lines{}
	for _, name := range []string{"sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret", "ssl.keystore.password"} {
		if !kafka.IsSecret(name) {
			t.Errorf("%s is no secret", name)
		}
		if err := kafka.CheckProperty(name, secret); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
		cfg := kafka.ClientConfig{Logger: log.logger(), Properties: map[string]string{
			"bootstrap.servers": "127.0.0.1:1", "security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "me", "sasl.password": secret, "debug": "conf,security",
		}}
		cfg.Properties[name] = secret
		if c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: cfg, Group: "g"}); err == nil {
			_ = c.Close()
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("consumer: %v", err)
		}
		if p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: cfg}); err == nil {
			_ = p.Close()
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("producer: %v", err)
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Error("the log has the secret")
	}
}

// TestBadConfigurations must end in a sentence, not in a client.
func TestBadConfigurations(t *testing.T) {
	quiet := kafkatest.Quiet()
	for name, props := range map[string]map[string]string{
		"no servers":   {},
		"bad value":    {"bootstrap.servers": "127.0.0.1:1", "linger.ms": "soon"},
		"bad protocol": {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "sasl_ssl", "sasl.mechanism": "NONSENSE"},
	} {
		cfg := kafka.ClientConfig{Properties: props, Logger: quiet}
		if c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: cfg, Group: "g"}); err == nil && name != "bad value" {
			t.Errorf("%s: a consumer was made", name)
			_ = c.Close()
		} else if err == nil {
			_ = c.Close()
		} else {
			t.Log(err)
		}
		if p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: cfg}); err == nil {
			t.Errorf("%s: a producer was made", name)
			_ = p.Close()
		} else {
			t.Log(err)
		}
		if a, err := kafka.NewAdmin(cfg); err == nil {
			t.Errorf("%s: an admin client was made", name)
			_ = a.Close()
		}
	}
	if _, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: kafka.ClientConfig{Properties: map[string]string{"bootstrap.servers": "127.0.0.1:1"}, Logger: quiet}}); err == nil {
		t.Error("a consumer without a group was made")
	}
	if _, err := kafka.NewConsumer(kafka.ConsumerConfig{Group: "g", Assignor: "cooperative-sticky,range", ClientConfig: kafka.ClientConfig{Properties: map[string]string{"bootstrap.servers": "127.0.0.1:1"}, Logger: quiet}}); err == nil {
		t.Error("a consumer with two kinds of assignors was made")
	}
}

func TestEverySymbolIsLinked(t *testing.T) {
	if err := kafka.CheckLink(); err != nil {
		t.Fatal(err)
	}
}
