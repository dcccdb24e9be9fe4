// Command checkpoint holds the guests that work with a checkpoint, which both
// SDKs have under the same names with the same behaviour:
// testdata/checkpoint/README.md says what each does, and the cases beside it
// run over the Go and the Rust module alike.
package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	weather = slip.Checkpoint("weather-first")
	times   = slip.IntParam("times", 100, "calls at each record")
	goBack  = slip.StringParam("seek", "none", "where to go back to at recovery: none, state, healthy, detected, beginning, end")
)

func main() {}

func init() {
	slip.Handle("heartbeat", heartbeat, weather)
	slip.Handle("pulse", pulse, weather)
	slip.Handle("recover", pulse, weather.OnDowntime(down), weather.OnRecovery(recovered), goBack)
	slip.Handle("checked", pulse, weather.DowntimeCheck(downtimeCheck), weather.RecoveryCheck(recoveryCheck))
	slip.Handle("check", nil, weather.DowntimeCheck(downtimeCheck), weather.RecoveryCheck(recoveryCheck))
	slip.Handle("many-heartbeats", manyHeartbeats, weather, times)
	slip.Handle("many-pulses", manyPulses, weather, times)
	slip.Handle("advance", identity, slip.OnAdvance(advance))
}

// heartbeat tells how far its dependency is and emits what it learns.
func heartbeat(c *slip.Call, rec slip.Record) error {
	m, rest, err := command(rec)
	if err != nil {
		return err
	}
	dependency, fail := "", false
	for _, word := range rest {
		if word == "fail" {
			fail = true
		} else {
			dependency = word
		}
	}
	l, err := weather.Heartbeat(c, m, dependency)
	if err != nil {
		return err
	}
	out := "in time"
	if l.IsLate {
		out = "late"
	}
	c.Emit(rec.Key, []byte(replayed(rec)+out+" "+show(l.Dependent)+" "+show(l.Dependency)))
	if fail {
		return errors.New("failed after the heartbeat")
	}
	return nil
}

// pulse tells how far the dependent is, sets the state and emits what is down.
func pulse(c *slip.Call, rec slip.Record) error {
	m, rest, err := command(rec)
	if err != nil {
		return err
	}
	fields := []slip.StateField{slip.StateInt(strconv.Itoa(int(rec.Partition)), rec.Offset)}
	fail := false
	for _, word := range rest {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			fail = fail || word == "fail"
			continue
		}
		fields = append(fields, field(name, value))
	}
	downs, err := weather.CheckPulse(c, m, fields...)
	if err != nil {
		return err
	}
	out := replayed(rec) + "up"
	if first, ok := downs.First(); ok {
		out = replayed(rec) + "down"
		for _, d := range downs {
			out += " " + d.Dependency + "=" + strconv.FormatInt(d.Ms, 10)
		}
		if ms, ok := downs.Of(first.Dependency); !ok || ms != first.Ms {
			return errors.New("first and of differ")
		}
	}
	c.Emit(rec.Key, []byte(out))
	if fail {
		return errors.New("failed after the pulse")
	}
	return nil
}

// down emits what it is told of a downtime.
func down(c *slip.Call, d slip.Downtime) error {
	c.Emit([]byte(d.Dependency), []byte("downtime "+strconv.FormatInt(d.Ms, 10)+" "+
		show(d.DependentMarker)+" "+show(d.DependencyMarker)+" {"+state(d.State)+"}"))
	return nil
}

// recovered emits what it is told of a recovery and goes back.
func recovered(c *slip.Call, r slip.Recovery) error {
	c.Emit([]byte(r.Dependency), []byte("recovery "+show(r.DependentMarker)+" "+show(r.DependencyMarker)+
		" {"+state(r.State)+"} healthy"+positions(r.Healthy)+" detected"+positions(r.Detected)))
	to, offset := r.Detected, int64(0)
	switch goBack.Get(c) {
	case "none":
		return nil
	case "healthy":
		to = r.Healthy
	case "detected":
	case "state":
		// As the seed has it: the state says where each partition was.
		for name, at := range r.State.Fields() {
			n, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			for _, p := range r.Detected {
				if p.Partition == int32(n) {
					p.Offset = at.Int()
					if err := c.SeekTo(p); err != nil {
						return err
					}
				}
			}
		}
		return nil
	case "beginning":
		offset = slip.Beginning
	case "end":
		offset = slip.End
	case "elsewhere":
		return c.Seek("elsewhere", 0, 0)
	default:
		return errors.New("unknown seek: " + goBack.Get(c))
	}
	for _, p := range to {
		if offset < 0 {
			p.Offset = offset
		}
		if err := c.SeekTo(p); err != nil {
			return err
		}
	}
	return nil
}

// downtimeCheck finds a dependency down as soon as it is behind: between texts
// for a second for each byte that the dependent's is longer, and at least one.
func downtimeCheck(_ *slip.Call, ch slip.Check) (int64, error) {
	if text, ok := ch.DependentMarker.Text(); ok {
		order, ok := ch.DependentMarker.Compare(ch.DependencyMarker)
		if !ok {
			return 0, errors.New(ch.Dependency + " is not at a text")
		}
		if order <= 0 {
			return 0, nil
		}
		other, _ := ch.DependencyMarker.Text()
		return 1000 * max(int64(len(text)-len(other)), 1), nil
	}
	ahead, ok := ch.DependentMarker.Sub(ch.DependencyMarker)
	if !ok {
		return 0, errors.New("markers " + show(ch.DependentMarker) + " and " + show(ch.DependencyMarker))
	}
	return ahead - ch.ThresholdMs/2, nil
}

// recoveryCheck finds a dependency up again that is as far as the dependent.
func recoveryCheck(_ *slip.Call, ch slip.Check) (bool, error) {
	order, ok := ch.DependencyMarker.Compare(ch.DependentMarker)
	if !ok {
		return false, errors.New("markers " + show(ch.DependentMarker) + " and " + show(ch.DependencyMarker))
	}
	return order >= 0, nil
}

// manyHeartbeats is for benchmarks: as many heartbeats as its parameter says.
func manyHeartbeats(c *slip.Call, rec slip.Record) error {
	for range times.Get(c) {
		if l, err := weather.Heartbeat(c, slip.TimeMarker(rec.Timestamp), "weather"); err != nil || l.IsLate {
			return errors.Join(err, errors.New("late"))
		}
	}
	return nil
}

// manyPulses makes pulses, with the offset in the state.
func manyPulses(c *slip.Call, rec slip.Record) error {
	for range times.Get(c) {
		if down, err := weather.CheckPulse(c, slip.TimeMarker(rec.Timestamp), slip.StateInt("0", rec.Offset)); err != nil || len(down) > 0 {
			return errors.Join(err, errors.New("down"))
		}
	}
	return nil
}

func identity(c *slip.Call, rec slip.Record) error {
	c.Emit(rec.Key, rec.Value)
	return nil
}

// advance emits stream time as it is told and as it asks for it.
func advance(c *slip.Call, a slip.Advance) error {
	key := "advance"
	if a.Final {
		key = "final"
	}
	c.Emit([]byte(key), []byte(strconv.FormatInt(a.StreamTime, 10)+" "+strconv.FormatInt(c.StreamTime(), 10)))
	return nil
}

// command splits a value into its marker and the words behind it.
func command(rec slip.Record) (m slip.Marker, rest []string, err error) {
	words := strings.Fields(string(bytes.TrimSpace(rec.Value)))
	if len(words) == 0 {
		return m, nil, errors.New("no marker")
	}
	kind, text, _ := strings.Cut(words[0], ":")
	n, err := strconv.ParseInt(text, 10, 64)
	switch kind {
	case "@":
		return slip.TimeMarker(rec.Timestamp), words[1:], nil
	case "t":
		m = slip.TimeMarker(n)
	case "i":
		m = slip.IntMarker(n)
	case "s":
		return slip.TextMarker(text), words[1:], nil
	case "long":
		return slip.TextMarker(strings.Repeat("x", 256)), words[1:], nil
	case "none":
		return m, words[1:], nil
	}
	if err != nil || !m.IsSet() {
		return m, nil, errors.New("no marker: " + words[0])
	}
	return m, words[1:], nil
}

// field reads a field of the state by what its value looks like.
func field(name, value string) slip.StateField {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err == nil:
		return slip.StateInt(name, n)
	case value == "true" || value == "false":
		return slip.StateBool(name, value == "true")
	case value == "[]":
		return slip.StateRaw(name, []byte{0x90})
	case strings.HasSuffix(value, "/2"):
		n, _ = strconv.ParseInt(value[:len(value)-2], 10, 64)
		return slip.StateFloat(name, float64(n)/2)
	}
	return slip.StateString(name, value)
}

// show returns a marker as command reads it.
func show(m slip.Marker) string {
	if ms, ok := m.Time(); ok {
		return "t:" + strconv.FormatInt(ms, 10)
	}
	if n, ok := m.Int(); ok {
		return "i:" + strconv.FormatInt(n, 10)
	}
	if text, ok := m.Text(); ok {
		return "s:" + text
	}
	return "none"
}

// state returns the fields of a state in the order of their names.
func state(doc slip.Value) string {
	var all []string
	for name, v := range doc.Fields() {
		text := "?"
		switch v.Kind() {
		case slip.KindInt:
			text = strconv.FormatInt(v.Int(), 10)
		case slip.KindFloat:
			text = strconv.FormatInt(int64(2*v.Float()), 10) + "/2"
		case slip.KindBool:
			text = strconv.FormatBool(v.Bool())
		case slip.KindString:
			text = v.Str()
		case slip.KindArray:
			text = "[]"
		}
		entry, at := name+"="+text, len(all)
		for at > 0 && all[at-1] > entry {
			at--
		}
		all = append(all, "")
		copy(all[at+1:], all[at:])
		all[at] = entry
	}
	return strings.Join(all, " ")
}

func positions(list []slip.Position) string {
	text := ""
	for _, p := range list {
		text += " " + p.Source + ":" + strconv.Itoa(int(p.Partition)) + ":" + strconv.FormatInt(p.Offset, 10)
	}
	return text
}

func replayed(rec slip.Record) string {
	if rec.Replayed() {
		return "replayed "
	}
	return ""
}
