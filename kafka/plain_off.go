//go:build !kafka_plain

package kafka

// plainPoll makes consumers poll record by record in Go.
const plainPoll = false
