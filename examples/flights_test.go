package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// flightTopics are the ids of the topics of 09-flights, with what they are
// called at the broker behind the application's name.
var flightTopics = map[string]string{"flights": "", "late": "-late", "on-time": "-on-time", "dead": "-dead"}

// flightInternals are the topics behind them that the host makes.
var flightInternals = []string{"-weekly", "-weeks-changelog", "-by-destination-repartition"}

// flightPartitions is the number of partitions of each, but for dead.
const flightPartitions = 4

// flightRecord is a record of a topic, as `tap --json` shows it.
type flightRecord struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64
	Key       string
	Value     json.RawMessage
	Headers   [][2]string
}

// TestFlightsRecordByRecord runs 09-flights over all its data and compares
// every record of every topic with what a few lines of Go make of the file: in
// both languages, on the embedded broker and, where SLIPHOST_KAFKA names one,
// on an Apache Kafka.
func TestFlightsRecordByRecord(t *testing.T) {
	servers := map[string]string{"embedded": ""}
	if addr := os.Getenv(kafkatest.Env); addr != "" {
		servers["apache"] = addr
	}
	for broker, addr := range servers {
		for _, lang := range languages {
			t.Run(broker+"/"+lang, func(t *testing.T) {
				ex := copyOf(t, "09-flights", lang)
				app := kafkatest.Name("flights-" + lang)
				ex.env = append(ex.env, "APP="+app)
				if addr != "" {
					if _, _, err := net.SplitHostPort(addr); err != nil {
						t.Fatalf("%s: %v", kafkatest.Env, err)
					}
					ex.env = append(ex.env, "KAFKA="+addr)
					deleteAfter(t, addr, app)
				}
				flightsRun(t, ex)
				want := expectedFlights(t, app)
				for id, suffix := range flightTopics {
					got := ex.tap(t, id)
					for p := range got {
						if p < 0 || p >= flightPartitions {
							t.Errorf("%s%s has a partition %d", app, suffix, p)
						}
					}
					for p := range int32(flightPartitions) {
						if id != "flights" {
							number(t, got[p])
						}
						sameRecords(t, fmt.Sprintf("%s%s[%d]", app, suffix, p), want[id][p], got[p])
					}
				}
				sameWeeks(t, expectedWeeks(t), latest(t, ex.tap(t, "weekly")))
			})
		}
	}
}

// TestFlightsWithOnePartition has other partitions than the manifest says, and
// the same figures come out.
func TestFlightsWithOnePartition(t *testing.T) {
	ex := copyOf(t, "09-flights", "rust")
	for _, table := range []string{"topic.flights", "topic.late", "topic.on-time", "topic.weekly", "repartition.by-destination"} {
		ex.set = append(ex.set, "--set", table+".partitions=1")
	}
	flightsRun(t, ex)
	got := ex.tap(t, "weekly")
	if len(got) != 1 {
		t.Errorf("the figures are in %d partitions, want 1", len(got))
	}
	sameWeeks(t, expectedWeeks(t), latest(t, got))
}

// weekFigures is a value of the topic weekly.
type weekFigures struct {
	Airport, Week string
	Late          int
	Mean          float64
	Worst         int
}

// expectedWeeks computes from the file how late flights arrive, by airport and
// week. Weeks begin on Thursdays.
func expectedWeeks(t *testing.T) map[string]weekFigures {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("data", "flights.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	want, sums := map[string]weekFigures{}, map[string]int{}
	for line := range bytes.Lines(text) {
		var flight struct {
			Date, Destination string
			Delay             int
		}
		if err := json.Unmarshal(line, &flight); err != nil {
			t.Fatal(err)
		}
		if flight.Delay <= 15 {
			continue
		}
		at, err := time.Parse("2006/01/02", flight.Date[:10])
		if err != nil {
			t.Fatal(err)
		}
		for at.Weekday() != time.Thursday {
			at = at.AddDate(0, 0, -1)
		}
		week := at.Format("2006/01/02")
		key := flight.Destination + " " + week
		w := want[key]
		sums[key] += flight.Delay
		w.Airport, w.Week, w.Late, w.Worst = flight.Destination, week, w.Late+1, max(w.Worst, flight.Delay)
		w.Mean = math.Round(float64(sums[key])*10/float64(w.Late)) / 10
		want[key] = w
	}
	return want
}

// latest returns the last value of each key, as a compacted topic keeps it. What
// came before may be gone already, so counts need not go up one by one.
func latest(t *testing.T, all map[int32][]flightRecord) map[string]weekFigures {
	t.Helper()
	last := map[string]weekFigures{}
	for _, records := range all {
		for _, r := range records {
			var w weekFigures
			if err := json.Unmarshal(r.Value, &w); err != nil {
				t.Fatal(err)
			}
			if before := last[r.Key]; w.Late <= before.Late {
				t.Errorf("%s went from %d to %d flights", r.Key, before.Late, w.Late)
			}
			last[r.Key] = w
		}
	}
	return last
}

func sameWeeks(t *testing.T, want, got map[string]weekFigures) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures by airport and week (-want +got):\n%.2000s", d)
	}
}

// number makes offsets consecutive: in a topic that transactions write the end
// of each takes one, and where they end is not known.
func number(t *testing.T, records []flightRecord) {
	t.Helper()
	last := int64(-1)
	for i := range records {
		if records[i].Offset <= last {
			t.Errorf("offset %d comes after %d", records[i].Offset, last)
		}
		last, records[i].Offset = records[i].Offset, int64(i)
	}
}

// sameRecords compares the records of one partition and shows the first that
// differs.
func sameRecords(t *testing.T, where string, want, got []flightRecord) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s has %d records, want %d", where, len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if d := cmp.Diff(want[i], got[i]); d != "" {
			t.Errorf("%s, record %d (-want +got):\n%s", where, i, d)
			return
		}
	}
}

// flightsRun sends the data in two parts, with a run after each: the second run
// begins where the first one stopped.
func flightsRun(t *testing.T, ex *example) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("data", "flights.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	ex.run(t, nil, "build")
	half := bytes.IndexByte(data[len(data)/2:], '\n') + len(data)/2 + 1
	for _, part := range [][]byte{data[:half], data[half:]} {
		ex.run(t, part, "send", "flights", "--key", "/origin", "--timestamp", "/date:2006/01/02 15:04")
		ex.run(t, nil, "run", "manifest.toml", "--until-idle")
	}
}

// expectedFlights computes from the file what each topic must hold, by
// partition and offset.
func expectedFlights(t *testing.T, app string) map[string]map[int32][]flightRecord {
	t.Helper()
	f, err := os.Open(filepath.Join("data", "flights.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]map[int32][]flightRecord{"flights": {}, "late": {}, "on-time": {}, "dead": {}}
	lines := 0
	for scan := bufio.NewScanner(f); scan.Scan(); lines++ {
		var flight struct {
			Date, Origin string
			Delay        int
		}
		if err := json.Unmarshal(scan.Bytes(), &flight); err != nil {
			t.Fatalf("line %d: %v", lines+1, err)
		}
		at, err := time.Parse("2006/01/02 15:04", flight.Date)
		if err != nil {
			t.Fatalf("line %d: %v", lines+1, err)
		}
		p := int32(murmur2([]byte(flight.Origin)) & 0x7fffffff % flightPartitions)
		to := "on-time"
		if flight.Delay > 15 {
			to = "late"
		}
		for _, id := range []string{"flights", to} {
			want[id][p] = append(want[id][p], flightRecord{
				Topic: app + flightTopics[id], Partition: p, Offset: int64(len(want[id][p])), Timestamp: at.UnixMilli(),
				Key: flight.Origin, Value: bytes.Clone(scan.Bytes()), Headers: [][2]string{},
			})
		}
	}
	if lines != 20_000 || len(want["late"]) != flightPartitions {
		t.Fatalf("the data has %d lines, and late flights in %d partitions", lines, len(want["late"]))
	}
	return want
}

// murmur2 is the hash by which Kafka's Java clients choose a partition.
func murmur2(key []byte) uint32 {
	const m = 0x5bd1e995
	mix := func(k uint32) uint32 {
		k *= m
		return (k ^ k>>24) * m
	}
	h := 0x9747b28c ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		h = h*m ^ mix(uint32(key[0])|uint32(key[1])<<8|uint32(key[2])<<16|uint32(key[3])<<24)
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// TestMurmur2 has the values of the Java client's own test.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

// tap returns all records of a topic by partition.
func (ex *example) tap(t *testing.T, topic string) map[int32][]flightRecord {
	t.Helper()
	all := map[int32][]flightRecord{}
	out := json.NewDecoder(bytes.NewReader(ex.run(t, nil, "tap", topic, "--from", "beginning", "--until-end", "--json")))
	out.DisallowUnknownFields()
	for out.More() {
		var r flightRecord
		if err := out.Decode(&r); err != nil {
			t.Fatal(err)
		}
		all[r.Partition] = append(all[r.Partition], r)
	}
	return all
}

// run runs sliphost in the example and returns what it prints; the test fails
// if the command does or takes too long.
func (ex *example) run(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(workshop, "bin", "sliphost"), append(args, ex.set...)...)
	cmd.Dir, cmd.Env = ex.dir, append(os.Environ(), ex.env...)
	cmd.Stdin = bytes.NewReader(in)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sliphost %v: %v\n%s", args, err, talk.String())
	}
	return out
}

// deleteAfter deletes the topics of one run from a broker that others use.
func deleteAfter(t *testing.T, addr, app string) {
	t.Cleanup(func() {
		admin, err := kafka.NewAdmin(kafka.ClientConfig{Properties: map[string]string{"bootstrap.servers": addr}, Logger: kafkatest.Quiet()})
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, suffix := range append(slices.Collect(maps.Values(flightTopics)), flightInternals...) {
			if err := admin.DeleteTopics(ctx, app+suffix); err != nil {
				t.Error(fmt.Errorf("delete %s%s: %w", app, suffix, err))
			}
		}
	})
}
