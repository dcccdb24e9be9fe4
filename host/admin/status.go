package admin

import (
	"fmt"
	"os"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

// Status is the document at /v1/status: the engine's status and that of the
// process around it, in one object.
type Status struct {
	host.Status
	// Ready says whether all workers run; NotReady why not.
	Ready    bool     `json:"ready"`
	NotReady []string `json:"not_ready,omitempty"`
	// Manifest is the file that runs and Generation its number in this process,
	// from 1.
	Manifest   string `json:"manifest"`
	Generation uint64 `json:"generation"`
	StateDir   string `json:"state_dir"`
	// HTTP is the address of the HTTP side, if there is one.
	HTTP          string    `json:"http,omitempty"`
	Version       string    `json:"version"`
	PID           int       `json:"pid"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	// Lag is the sum of Lags, null while nothing is known: the Kafka clients
	// tell it every few seconds.
	Lag  *int64        `json:"lag"`
	Lags []metrics.Lag `json:"lags"`
}

func (s *Server) status() *Status {
	st := &Status{
		Status:   s.config.Host.Status(),
		NotReady: s.unready(),
		Manifest: s.config.Manifest, Generation: s.config.Generation,
		StateDir: s.config.StateDir, HTTP: s.address,
		Version: s.config.Version, PID: os.Getpid(),
		StartedAt:     s.started.UTC().Truncate(time.Millisecond),
		UptimeSeconds: time.Since(s.started).Round(time.Millisecond).Seconds(),
		Lags:          append([]metrics.Lag{}, s.config.Host.Lags()...),
	}
	st.Ready = len(st.NotReady) == 0
	if len(st.Lags) > 0 {
		var sum int64
		for _, l := range st.Lags {
			sum += l.Records
		}
		st.Lag = &sum
	}
	return st
}

// unready is why the host is not ready; none if it is. A partition that
// stands still is no reason: the others go on, and a probe that restarts the
// host or takes it out of service would make it worse.
func (s *Server) unready() []string {
	if s.config.Host.Ready() {
		return nil
	}
	switch state := s.config.Host.Status().State; state {
	case "starting":
		return []string{"the host is starting: not all workers are open yet"}
	case "draining":
		return []string{"the host is draining: it finishes the records in hand, commits and ends"}
	case "stopped":
		return []string{"the host has stopped: its workers have ended"}
	default:
		return []string{fmt.Sprintf("the host is changing its state; just now it was %s", state)}
	}
}
