package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A call that waits says so at intervals that double.
func TestReminder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, nil))
		r := reminder{began: time.Now(), next: firstReminder}
		for range 300 {
			time.Sleep(time.Second)
			r.tell(log, "commit", "no answer")
		}
		for _, waited := range []string{"waited=30s", "waited=1m0s", "waited=2m0s", "waited=4m0s"} {
			if !strings.Contains(said.String(), waited) {
				t.Errorf("nothing said at %s", waited)
			}
		}
		if n := strings.Count(said.String(), "\n"); n != 4 {
			t.Errorf("said %d times:\n%s", n, &said)
		}
	})
}
