package kafka_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// kfake leaves per-connection goroutines a moment behind its Close.
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
	)
}
