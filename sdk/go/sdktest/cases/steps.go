package cases

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
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
	// Ask asks the check downtime or recovery.
	Ask(which string, dependent, dependency Marker) string
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
			got = []string{g.Ask(s.Ask, readMarker(s.Dependent), readMarker(s.Dependency))}
		}
		for j, line := range got {
			if j < len(s.Want) && s.Want[j] == "error" && strings.HasPrefix(line, "error: ") {
				got[j] = "error"
			}
		}
		if !slices.Equal(got, s.Want) {
			t.Fatalf("step %d:\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(s.Want, "\n"))
		}
	}
}

// Marker is a marker as cases write it: the kind is t, i, s or none.
type Marker struct {
	Kind, Text string
	Number     int64
}

func readMarker(text string) (m Marker) {
	m.Kind, m.Text, _ = strings.Cut(text, ":")
	m.Number, _ = strconv.ParseInt(m.Text, 10, 64)
	return m
}

// SeekLine is the line of a seek.
func SeekLine(source string, partition int32, offset int64) string {
	return "seek " + source + " " + strconv.Itoa(int(partition)) + " " + strconv.FormatInt(offset, 10)
}
