package chaos

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// Environment of the tests. SLIPHOST_CHAOS=full runs the whole matrix,
// SLIPHOST_ROUNDS sets the rounds of its longest scenarios.
const (
	envSeed   = "SLIPHOST_SEED"
	envChaos  = "SLIPHOST_CHAOS"
	envRounds = "SLIPHOST_ROUNDS"
)

// seed is the run's: a scenario takes its random numbers from the seed and its
// own name, so that any one of them can be repeated alone.
var seed = func() uint64 {
	if text := os.Getenv(envSeed); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s=%s is no seed: %v\n", envSeed, text, err)
			os.Exit(2)
		}
		return n
	}
	return rand.Uint64()
}()

func randomOf(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// full says whether this is the whole matrix.
func full() bool { return os.Getenv(envChaos) == "full" }

// rounds is how often a scenario repeats its fault.
func rounds(short, long int) int {
	if !full() {
		return short
	}
	if n, err := strconv.Atoi(os.Getenv(envRounds)); err == nil && n > 0 {
		return n
	}
	return long
}

// row is a line of the table at the end.
type row struct {
	scenario, broker, language      string
	rounds, records, kills, aborted int
	result                          string
	took                            time.Duration
}

var table struct {
	sync.Mutex
	rows []row
}

func record(r row) {
	table.Lock()
	defer table.Unlock()
	table.rows = append(table.rows, r)
}

func TestMain(m *testing.M) {
	fmt.Printf("seed %d (%s=%d repeats)\n", seed, envSeed, seed)
	code := m.Run()
	if len(table.rows) > 0 {
		printTable()
	}
	os.Exit(code)
}

func printTable() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join([]string{"SCENARIO", "BROKER", "LANGUAGE", "ROUNDS", "RECORDS", "KILLS", "ABORTED", "RESULT", "SECONDS"}, "\t"))
	for _, r := range table.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%.1f\n", r.scenario, r.broker, r.language, r.rounds, r.records, r.kills, r.aborted, r.result, r.took.Seconds())
	}
	_ = w.Flush()
}
