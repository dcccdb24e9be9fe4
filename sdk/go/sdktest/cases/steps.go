package cases

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
)

// Steps is a case of handlers that share a checkpoint;
// testdata/checkpoint/README.md describes its form.
type Steps struct {
	Name         string       `json:"name"`
	Dependencies []Dependency `json:"dependencies"`
	Checks       bool         `json:"checks"`
	Seek         string       `json:"seek"`
	Steps        []Step       `json:"steps"`
}

// Dependency is a dependency with its threshold.
type Dependency struct {
	Name      string
	Threshold int64
}

// Step is one thing that happens, with what comes of it.
type Step struct {
	To       string `json:"to"`
	Value    string `json:"value"`
	Time     int64  `json:"time"`
	Replayed bool   `json:"replayed"`

	Border string `json:"border"`

	Advance *int64 `json:"advance"`
	Final   bool   `json:"final"`

	Ask        string `json:"ask"`
	Dependent  string `json:"dependent"`
	Dependency string `json:"dependency"`

	Want []string `json:"want"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Dependency) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&d.Name, &d.Threshold})
}

// LoadSteps reads the cases of a file.
func LoadSteps(path string) (all []Steps, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	err = d.Decode(&all)
	return all, err
}

// Checkpointed are the handlers of a case. Lines are those of Step.Want, errors
// with their text.
type Checkpointed interface {
	Record(handler, value string, time int64, replayed bool) []string
	Border(handler string) []string
	Advance(time int64, final bool) []string
	Ask(which abi.CheckOf, dependent, dependency abi.Marker) string
}

// RunSteps runs a case.
func RunSteps(t *testing.T, c *Steps, g Checkpointed) {
	for i := range c.Steps {
		s := &c.Steps[i]
		var got []string
		switch {
		case s.To != "":
			got = g.Record(s.To, s.Value, s.Time, s.Replayed)
		case s.Border != "":
			got = g.Border(s.Border)
		case s.Advance != nil:
			got = g.Advance(*s.Advance, false)
		case s.Final:
			got = g.Advance(-1, true)
		default:
			which := map[string]abi.CheckOf{"downtime": abi.CheckDowntime, "recovery": abi.CheckRecovery}[s.Ask]
			got = []string{g.Ask(which, ReadMarker(s.Dependent), ReadMarker(s.Dependency))}
		}
		for j, line := range got {
			if j < len(s.Want) && s.Want[j] == "error" && strings.HasPrefix(line, "error: ") {
				got[j] = "error"
			}
		}
		if diff := cmp.Diff(s.Want, got); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
	}
}

// ReadMarker reads a marker as cases write it.
func ReadMarker(text string) abi.Marker {
	kind, rest, _ := strings.Cut(text, ":")
	n, _ := strconv.ParseInt(rest, 10, 64)
	switch kind {
	case "t":
		return abi.Marker{Kind: abi.MarkerTime, Int: n}
	case "i":
		return abi.Marker{Kind: abi.MarkerInt, Int: n}
	case "s":
		return abi.Marker{Kind: abi.MarkerText, Text: rest}
	}
	return abi.Marker{}
}

// SeekLine is the line of a seek.
func SeekLine(source string, partition int32, offset int64) string {
	return "seek " + source + " " + strconv.Itoa(int(partition)) + " " + strconv.FormatInt(offset, 10)
}
