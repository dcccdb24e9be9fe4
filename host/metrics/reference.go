package metrics

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Reference returns the reference page of metrics as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Metrics\n\nThis page is made from the table in `host/metrics/table.go`; do not edit it.\n\n")
	b.WriteString("A running host answers `GET /metrics` on the socket in its state directory, and on `[admin] http` if the manifest has it. Values are read when somebody scrapes. Those of Kafka clients are as old as `sliphost_kafka_statistics_timestamp_seconds` says.\n")
	next := 0
	for id, f := range families {
		if next < len(sections) && sections[next].first == familyID(id) {
			fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n", sections[next].title)
			next++
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, kindWord(f.kind), strings.Join(f.labels, ", "), f.help)
	}
	fmt.Fprintf(&b, "\n## What handlers report\n\n"+
		"A handler's own metrics are shown as `%sNAME` with the label handler. Counters get `_total` at their end if they do not have it, and never fall. Histograms have three buckets a decade from 0.001 to 10000, and native ones for a server that asks for them. "+
		"A name is of one kind in the whole host, and a handler has at most %d names; what exceeds that is counted in `%s` and logged once.\n",
		guestPrefix, maxGuestNames, families[handlerRefused].name)
	b.WriteString("\n## Go and the process\n\nThe usual `go_*` and `process_*` metrics are there too: memory, garbage collection, goroutines, CPU time, open files.\n")
	return b.String()
}

func kindWord(k prometheus.ValueType) string {
	switch k {
	case counter:
		return "counter"
	case gauge:
		return "gauge"
	}
	return "histogram"
}
