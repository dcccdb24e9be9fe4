package checkpoint

import (
	"slices"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// The seed's integration test: weather is the dependency, activity the
// dependent, in offsets 0 to 3.
func TestGoldenScenario(t *testing.T) {
	for _, mode := range []struct {
		name         string
		mode         Mode
		down, up     string
		onRecovery   OnRecovery
		sought, left int64
	}{
		{name: "compat", mode: Compat, onRecovery: Call, down: "pause, downtime weather 90m", up: "resume, recovery weather"},
		{name: "default", mode: Default, onRecovery: Call, down: "pause, downtime weather 90m", up: "recovery weather, all up, resume"},
		{name: "seek:detected", mode: Default, onRecovery: SeekDetected, down: "pause, downtime weather 90m", up: "recovery weather, all up, seek 0/0@2, resume"},
		{name: "seek:healthy", mode: Default, onRecovery: SeekHealthy, down: "pause, downtime weather 90m", up: "recovery weather, all up, seek 0/0@1, resume"},
	} {
		t.Run(mode.name, func(t *testing.T) {
			s := specOf(time.Hour, "weather")
			s.Mode, s.OnRecovery = mode.mode, mode.onRecovery
			m := machine(t, s)
			late := func(marker string, expected bool) {
				t.Helper()
				want(t, "is_late at "+marker, beat(t, m, 0, clock(marker)), expected)
			}
			late("10:00", false)
			want(t, "10:30", pulse(t, m, clock("10:30"), offset(0)), "")
			late("11:00", false)
			want(t, "11:30", pulse(t, m, clock("11:30"), offset(1)), "")
			want(t, "held", m.Held(), false)
			if mode.onRecovery == SeekHealthy {
				late("11:00", false) // the last heartbeat while all was well came after offset 1
			}
			want(t, "12:30", pulse(t, m, clock("12:30"), offset(2)), "weather 90m")
			want(t, "due", m.Due(), true)
			wantActions(t, m, mode.down)
			want(t, "held", m.Held(), true)
			late("12:00", true)
			wantActions(t, m, "")
			late("13:00", false)
			recovery := m.queue[slices.IndexFunc(m.queue, func(a Action) bool { return a.Kind == ActionRecovery })]
			want(t, "checkpoint_state", recovery.State, stateOf("o", 2))
			want(t, "detected", recovery.Detected, []abi.Position{offset(2)})
			want(t, "recovery call", recovery.Call, mode.onRecovery == Call)
			wantActions(t, m, mode.up)
			want(t, "held", m.Held(), false)
			want(t, "again 12:30", pulse(t, m, clock("12:30"), offset(2)), "")
			want(t, "13:10", pulse(t, m, clock("13:10"), offset(3)), "")
			want(t, "due", m.Due(), false)
		})
	}
}
