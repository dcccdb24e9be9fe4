package kafka

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

var errNoServers = errors.New("bootstrap.servers is empty: name at least one broker as host:port")

// refused says, for each property the engine decides on, why it cannot be set
// and what to do instead.
var refused = map[string]string{
	"enable.auto.commit":            "offsets are committed only after the outputs are acknowledged; a commit in the background would lose records",
	"auto.commit.enable":            "offsets are committed only after the outputs are acknowledged; a commit in the background would lose records",
	"auto.commit.interval.ms":       "nothing is committed in the background; use commit_interval",
	"enable.auto.offset.store":      "a record would count as done when it is handed over, and be lost in a crash",
	"offset.store.method":           "offsets are stored by the broker, with the positions of the state",
	"offset.store.path":             "offsets are stored by the broker, with the positions of the state",
	"offset.store.sync.interval.ms": "offsets are stored by the broker, with the positions of the state",
	"group.id":                      "the group is named after the application; use name",
	"group.instance.id":             "it is made of the name, the state directory and the worker; use membership = \"dynamic\" to have none",
	"group.protocol":                "only the classic protocol is supported so far",
	"group.protocol.type":           "it is always consumer",
	"group.remote.assignor":         "it belongs to a group protocol that is not supported so far",
	"session.timeout.ms":            "it is part of the static membership: 10 s",
	"transactional.id":              "it is made of the name, the state directory and the worker",
	"transaction.timeout.ms":        "it follows from commit_interval and the deadlines",
	"isolation.level":               "records of open or aborted transactions must not be processed; it is always read_committed",
	"enable.idempotence":            "without it a retry can double or reorder records; it is always on",
	"enable.gapless.guarantee":      "a gap would end the producer for good; refused records become errors instead",
	"acks":                          "an output counts as written when all in-sync replicas have it; it is always all",
	"request.required.acks":         "an output counts as written when all in-sync replicas have it; acks is always all",
	"auto.offset.reset":             "a group without an offset starts where the topic's start says; an offset that is gone from the log is an error",
	"topic.auto.offset.reset":       "a group without an offset starts where the topic's start says; an offset that is gone from the log is an error",
	"partition.assignment.strategy": "the engine chooses it: roundrobin, or range where topics are joined",
	"enable.partition.eof":          "the engine asks for the ends of partitions itself",
	"delivery.report.only.error":    "every output has to be acknowledged before its input is committed",
	"produce.offset.report":         "the engine counts acknowledgements itself",
	"allow.auto.create.topics":      "a misspelled topic would come into being silently; use create = true on the topic",
	"statistics.interval.ms":        "the metrics depend on it",
	"log.queue":                     "logs go through the engine's own",
	"enable.metrics.push":           "no telemetry leaves the process unasked",
	"plugin.library.paths":          "no foreign code is loaded into the process",
	"test.mock.num.brokers":         "use bootstrap_servers = \"embedded\" for a broker of your own",
	"test.mock.broker.rtt":          "use bootstrap_servers = \"embedded\" for a broker of your own",
	"builtin.features":              "it only reports how the library was built",
}

// PropertyError says why a property is refused. Suggestion is the property
// that was probably meant, or empty.
type PropertyError struct {
	Name, Reason, Suggestion string
}

// Error implements error.
func (e *PropertyError) Error() string {
	s := "property " + e.Name + ": " + e.Reason
	if e.Suggestion != "" {
		s += "; did you mean " + e.Suggestion + "?"
	}
	return s
}

// CheckProperty reports whether a user may set a librdkafka property to value:
// nil, or a *PropertyError with the reason. It never repeats the value.
func CheckProperty(name, value string) error {
	if reason, no := refused[name]; no {
		return &PropertyError{Name: name, Reason: "cannot be set here: " + reason}
	}
	if strings.HasPrefix(name, "go.") {
		return &PropertyError{Name: name, Reason: "belongs to a Go library's own interface, which is not used"}
	}
	if _, known := properties[name]; !known {
		return &PropertyError{Name: name, Reason: "is no property of the Kafka client", Suggestion: nearest(name)}
	}
	if err := checkLink(); err != nil {
		return err
	}
	conf := C.rd_kafka_conf_new()
	defer C.rd_kafka_conf_destroy(conf)
	if err := setProperty(conf, name, value); err != nil {
		return err
	}
	return nil
}

// setProperty sets one property of a configuration.
func setProperty(conf *C.rd_kafka_conf_t, name, value string) error {
	cname, cvalue := C.CString(name), C.CString(value)
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(cvalue))
	var text [512]C.char
	if C.rd_kafka_conf_set(conf, cname, cvalue, &text[0], C.size_t(len(text))) == C.RD_KAFKA_CONF_OK {
		return nil
	}
	reason := "has a value the Kafka client does not accept"
	if !secret(name) {
		reason += ": " + strings.TrimSpace(C.GoString(&text[0]))
	}
	return &PropertyError{Name: name, Reason: reason}
}

// secret reports whether a property's value must not appear in any output.
func secret(name string) bool {
	return strings.Contains(name, "password") || strings.Contains(name, "secret") ||
		strings.HasSuffix(name, ".pem") || strings.Contains(name, "passphrase") ||
		strings.Contains(name, "sasl.oauthbearer") || strings.Contains(name, "credential")
}

// IsSecret reports whether the value of a property must not be shown.
func IsSecret(name string) bool { return secret(name) }

// nearest returns the known property closest to name, or "" if none is close.
func nearest(name string) string {
	norm := strings.NewReplacer("_", ".", "-", ".").Replace(strings.ToLower(name))
	best, bestDistance := "", max(2, len(name)/5)+1
	for known := range properties {
		if _, no := refused[known]; no {
			continue
		}
		d := distance(norm, known)
		if d < bestDistance || d == bestDistance && best != "" && known < best {
			best, bestDistance = known, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// newConf builds a librdkafka configuration.
func newConf(p map[string]string) (*C.rd_kafka_conf_t, error) {
	conf := C.rd_kafka_conf_new()
	for name, value := range p {
		if err := setProperty(conf, name, value); err != nil {
			C.rd_kafka_conf_destroy(conf)
			return nil, fmt.Errorf("configure the Kafka client: %w", err)
		}
	}
	return conf, nil
}

// libraryProperties returns the names the linked library lists: those of
// clients and of topics, without the ones that have no value by default.
func libraryProperties() []string {
	var names []string
	list := func(arr **C.char, n C.size_t) {
		all := unsafe.Slice(arr, int(n))
		for i := 0; i+1 < len(all); i += 2 {
			names = append(names, C.GoString(all[i]))
		}
		C.rd_kafka_conf_dump_free(arr, n)
	}
	var n C.size_t
	conf := C.rd_kafka_conf_new()
	defer C.rd_kafka_conf_destroy(conf)
	list(C.rd_kafka_conf_dump(conf, &n), n)
	topic := C.rd_kafka_topic_conf_new()
	defer C.rd_kafka_topic_conf_destroy(topic)
	list(C.rd_kafka_topic_conf_dump(topic, &n), n)
	return names
}

// knowsProperty asks the linked library whether there is such a property.
func knowsProperty(name string) bool {
	conf := C.rd_kafka_conf_new()
	defer C.rd_kafka_conf_destroy(conf)
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var text [512]C.char
	// A value no property accepts, or some do: only the name matters.
	cvalue := C.CString("\x01")
	defer C.free(unsafe.Pointer(cvalue))
	return C.rd_kafka_conf_set(conf, cname, cvalue, &text[0], C.size_t(len(text))) != C.RD_KAFKA_CONF_UNKNOWN
}
