package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// cpPlace is where a record of an input stands.
type cpPlace struct {
	partition int
	offset    int64
}

// cpModel judges what an application with a checkpoint wrote, event by event in
// the order of its one output topic, knowing only the inputs. For each partition
// of the dependent:
//
//   - the handler that is not bound gets each record once, in order;
//   - the bound one does too, and again only from where a recovery went back to,
//     without a gap, up to where it had been, each marked as replayed;
//   - it is told of a downtime behind the record that found it, and from there
//     until the recovery neither handler gets anything;
//   - downtimes and recoveries take turns, and say markers that explain them.
//
// The handler of the dependency gets each record once.
type cpModel struct {
	inputs     map[string]cpPlace
	dependency map[string]int // by id: how often it came out
	parts      []cpPart
	goesBackTo string // "healthy" or "detected"
	threshold  int64
	faults     []string
}

// cpPart is the model of one partition of the dependent.
type cpPart struct {
	bound, other int64 // next offsets
	front        int64 // what is before it came already
	down         bool
	found        bool // the last record said that a dependency is down
	downs, ups   int
	replays      int
}

func newCPModel(partitions int, goesBackTo string, threshold int64) *cpModel {
	return &cpModel{inputs: map[string]cpPlace{}, dependency: map[string]int{}, parts: make([]cpPart, partitions), goesBackTo: goesBackTo, threshold: threshold}
}

func (m *cpModel) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// take judges one record of the output topic.
func (m *cpModel) take(key, value string) {
	switch words := strings.Fields(value); {
	case len(words) == 0:
		m.fault("output %s: no words", key)
	case words[0] == "downtime" || words[0] == "recovery":
		m.told(words, value)
	case strings.HasPrefix(key, "w"):
		m.dependency[key]++
		if m.dependency[key] > 1 {
			m.fault("%s of the dependency came out %d times", key, m.dependency[key])
		}
	default:
		m.record(key, value)
	}
}

// record judges what a handler made of a record of the dependent.
func (m *cpModel) record(key, value string) {
	at, known := m.inputs[key]
	if !known {
		m.fault("%s came out and was never written", key)
		return
	}
	p := &m.parts[at.partition]
	if p.down {
		m.fault("%s (%d[%d]) was handled while the partition was held: %s", key, at.partition, at.offset, value)
	}
	if value == "@" { // the handler that is not bound
		if at.offset != p.other {
			m.fault("the other handler: %s is %d[%d], expected offset %d", key, at.partition, at.offset, p.other)
		}
		p.other = at.offset + 1
		return
	}
	again := strings.HasPrefix(value, "replayed ")
	if again {
		p.replays++
	}
	if at.offset != p.bound || again != (at.offset < p.front) {
		m.fault("the bound handler: %s is %d[%d], replayed %v; expected offset %d, replayed before %d", key, at.partition, at.offset, again, p.bound, p.front)
	}
	p.bound = at.offset + 1
	p.front = max(p.front, p.bound)
	p.found = strings.Contains(value, "down")
}

// told judges a call about the dependency. Its state names the partition and the
// last record.
func (m *cpModel) told(words []string, value string) {
	at := slices.IndexFunc(words, func(s string) bool { return strings.HasPrefix(s, "{") })
	if at < 0 {
		m.fault("no state in %q", value)
		return
	}
	name, offset, ok := strings.Cut(strings.Trim(words[at], "{}"), "=")
	n, err := strconv.Atoi(name)
	last, err2 := strconv.ParseInt(offset, 10, 64)
	if !ok || err != nil || err2 != nil || n >= len(m.parts) {
		m.fault("the state of %q is not that of one partition", value)
		return
	}
	p := &m.parts[n]
	if last != p.bound-1 {
		m.fault("partition %d: %q, and the record before was %d", n, value, p.bound-1)
	}
	if words[0] == "downtime" {
		ms, _ := strconv.ParseInt(words[1], 10, 64)
		if p.down || !p.found {
			m.fault("partition %d: %q, down %v, found by the record before %v", n, value, p.down, p.found)
		}
		if d := cpMarker(words[2]) - cpMarker(words[3]); ms <= m.threshold || d != ms {
			m.fault("partition %d: %q, but the markers are %d apart", n, value, d)
		}
		p.down = true
		p.downs++
		return
	}
	if !p.down || cpMarker(words[2]) <= cpMarker(words[1]) {
		m.fault("partition %d: %q, down %v, and the dependency must be ahead", n, value, p.down)
	}
	p.down = false
	p.ups++
	if to, found := cpTarget(words, m.goesBackTo, n); found {
		if to > last {
			m.fault("partition %d: %q goes forward", n, value)
		}
		p.bound = to
	} else {
		m.fault("partition %d: %q names no place to go back to", n, value)
	}
}

// cpMarker reads a time as the guests write it.
func cpMarker(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "t:"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// cpTarget finds the offset for a partition among the places behind a word.
func cpTarget(words []string, behind string, partition int) (offset int64, found bool) {
	for _, word := range words[slices.Index(words, behind)+1:] {
		f := strings.Split(word, ":")
		if len(f) != 3 {
			break
		}
		if f[1] == strconv.Itoa(partition) {
			offset, err := strconv.ParseInt(f[2], 10, 64)
			return offset, err == nil
		}
	}
	return 0, false
}

// end judges that everything came out and nothing is held.
func (m *cpModel) end() {
	for id, at := range m.inputs {
		if strings.HasPrefix(id, "w") {
			if m.dependency[id] != 1 {
				m.fault("%s of the dependency came out %d times", id, m.dependency[id])
			}
			continue
		}
		if p := m.parts[at.partition]; at.offset >= p.bound || at.offset >= p.other {
			m.fault("%s (%d[%d]) was not handled by both", id, at.partition, at.offset)
		}
	}
	for n, p := range m.parts {
		if p.down || p.bound != p.front || p.replays == 0 {
			m.fault("partition %d at the end: down %v, at %d of %d, %d replays", n, p.down, p.bound, p.front, p.replays)
		}
	}
}

// The model must refuse what a host may do wrong.
func TestCheckpointModel(t *testing.T) {
	good := []string{
		"w0 in time none t:0", "a0 up", "a0 @", "w1 in time t:1 t:5", "a1 down weather=995", "a1 @",
		"weather downtime 995 t:1000 t:5 {0=1}", "w2 in time t:1000 t:2000", "weather recovery t:1000 t:2000 {0=1} healthy activity:0:0 detected activity:0:1",
		"a0 replayed up", "a1 replayed up", "a2 up", "a2 @",
	}
	run := func(lines []string) *cpModel {
		m := newCPModel(1, "healthy", 100)
		for i, id := range []string{"a0", "a1", "a2"} {
			m.inputs[id] = cpPlace{0, int64(i)}
		}
		for i, id := range []string{"w0", "w1", "w2"} {
			m.inputs[id] = cpPlace{0, int64(i)}
		}
		for _, line := range lines {
			key, value, _ := strings.Cut(line, " ")
			m.take(key, value)
		}
		m.end()
		return m
	}
	if m := run(good); len(m.faults) > 0 {
		t.Fatalf("what is right is refused: %q", m.faults)
	}
	// Each line is needed, once, where it stands and as it is.
	for i := range good {
		if m := run(slices.Delete(slices.Clone(good), i, i+1)); len(m.faults) == 0 {
			t.Errorf("without %q it is content", good[i])
		}
		if m := run(slices.Insert(slices.Clone(good), i, good[i])); len(m.faults) == 0 {
			t.Errorf("with %q twice it is content", good[i])
		}
	}
	for from, to := range map[string]string{
		"a0 replayed up": "a0 up", "a2 up": "a2 replayed up", "a1 down weather=995": "a1 up", "995 t:1000": "94 t:1000",
		"healthy activity:0:0": "healthy activity:0:1", "{0=1} healthy": "{0=0} healthy",
	} {
		lines := slices.Clone(good)
		for i := range lines {
			lines[i] = strings.Replace(lines[i], from, to, 1)
		}
		if m := run(lines); len(m.faults) == 0 {
			t.Errorf("with %q for %q it is content", to, from)
		}
	}
	for _, early := range []string{"a2 up", "a2 @", "a0 replayed up"} {
		if m := run(slices.Insert(slices.Clone(good), 7, early)); len(m.faults) == 0 {
			t.Errorf("with %q while held it is content", early)
		}
	}
}
