// Package cases reads the cases that a guest must answer alike in both
// languages; testdata/state/README.md describes their form.
package cases

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Case is a handler, what its caches hold, what it is sent and what becomes of
// it.
type Case struct {
	Name    string
	Handler string
	// Params are the parameters that do not have their defaults.
	Params map[string]int64
	// Staged is the most bytes a record may write, 0 for no limit.
	Staged int
	// Before and After are entries of caches; After names those to compare.
	Before, After map[string][]Entry
	Metrics       map[string]float64
	Records       []Record
}

// Entry is an entry of a cache.
type Entry struct {
	Key, Value []byte
	Partition  int32
}

// String returns the entry in one line.
func (e Entry) String() string { return fmt.Sprintf("%d %q=%q", e.Partition, e.Key, e.Value) }

// Record is one record with its outcome.
type Record struct {
	Key, Value []byte
	Time       int64
	Partition  int32
	// Repeated says that it stems from a record that stands for many.
	Repeated bool
	// Advance says that it is no record but stream time that moved to Time, Final
	// that no record follows.
	Advance, Final bool
	Outputs        []Output
	// Code is that of the error, empty for none. An empty Message is any.
	Code, Message string
}

// Output is what one sink gets.
type Output struct {
	Sink       string
	Key, Value []byte
}

// String returns the output in one line.
func (o Output) String() string { return o.Sink + " " + show(o.Key) + "=" + show(o.Value) }

func show(b []byte) string {
	if b == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", b)
}

// Want returns the outcome of a record in one line, with text for the message
// of an error if it does not matter.
func (r *Record) Want(text string) string {
	if r.Code == "" {
		return Outcome(r.Outputs)
	}
	if r.Message != "" {
		text = r.Message
	}
	return Failure(r.Code, text)
}

// Outcome returns outputs in one line.
func Outcome(outputs []Output) string {
	var lines []string
	for _, o := range outputs {
		lines = append(lines, o.String())
	}
	return strings.Join(lines, "; ")
}

// Failure returns an error in one line.
func Failure(code, message string) string { return "error " + code + ": " + message }

// cutFailure takes apart what Failure returned.
func cutFailure(line string) (code, message string, ok bool) {
	rest, ok := strings.CutPrefix(line, "error ")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ": ")
}

// KeyType is the type of a cache's keys, Global whether it is global.
func KeyType(cache string) string {
	switch cache {
	case "ints":
		return "int"
	case "floats":
		return "float"
	case "bools":
		return "bool"
	}
	return "bytes"
}

// Global says whether a cache is global.
func Global(cache string) bool { return cache == "side" }

// Load reads the cases of a folder.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.DisallowUnknownFields()
		var list []jsonCase
		if err := d.Decode(&list); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for i := range list {
			c, err := list[i].read()
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, list[i].Name, err)
			}
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no cases", dir)
	}
	return all, nil
}

type jsonCase struct {
	Name    string                         `json:"name"`
	Handler string                         `json:"handler"`
	Params  map[string]int64               `json:"params"`
	Staged  int                            `json:"staged"`
	Before  map[string][][]json.RawMessage `json:"before"`
	After   map[string][][]json.RawMessage `json:"after"`
	Metrics map[string]float64             `json:"metrics"`
	Records []jsonRecord                   `json:"records"`
}

type jsonRecord struct {
	Key       json.RawMessage      `json:"key"`
	Value     json.RawMessage      `json:"value"`
	Time      *int64               `json:"time"`
	Partition int32                `json:"partition"`
	Repeat    int                  `json:"repeat"`
	Advance   *int64               `json:"advance"`
	Final     bool                 `json:"final"`
	Outputs   [][3]json.RawMessage `json:"outputs"`
	Error     []string             `json:"error"`
}

func (j *jsonCase) read() (c Case, err error) {
	c = Case{Name: j.Name, Handler: j.Handler, Params: j.Params, Staged: j.Staged, Metrics: j.Metrics}
	if c.Before, err = readEntries(j.Before); err != nil {
		return c, err
	}
	if c.After, err = readEntries(j.After); err != nil {
		return c, err
	}
	for i := range j.Records {
		r := &j.Records[i]
		n := max(r.Repeat, 1)
		for k := range n {
			number := ""
			if r.Repeat > 0 {
				number = fmt.Sprintf("%04d", k)
			}
			rec, err := r.read(number)
			if err != nil {
				return c, fmt.Errorf("record %d: %w", i, err)
			}
			c.Records = append(c.Records, rec)
		}
	}
	return c, nil
}

func (j *jsonRecord) read(number string) (r Record, err error) {
	r = Record{Time: -1, Partition: j.Partition, Repeated: number != "", Advance: j.Advance != nil || j.Final, Final: j.Final}
	if j.Advance != nil {
		r.Time = *j.Advance
	}
	if j.Time != nil {
		r.Time = *j.Time
	}
	if r.Key, err = readBytes(j.Key, number); err != nil {
		return r, err
	}
	if r.Value, err = readBytes(j.Value, number); err != nil {
		return r, err
	}
	for _, o := range j.Outputs {
		var out Output
		if err = json.Unmarshal(o[0], &out.Sink); err != nil {
			return r, err
		}
		if out.Key, err = readBytes(o[1], number); err != nil {
			return r, err
		}
		if out.Value, err = readBytes(o[2], number); err != nil {
			return r, err
		}
		r.Outputs = append(r.Outputs, out)
	}
	switch len(j.Error) {
	case 0:
	case 1:
		r.Code = j.Error[0]
	case 2:
		r.Code, r.Message = j.Error[0], j.Error[1]
	default:
		return r, fmt.Errorf("an error has a code and a message")
	}
	return r, nil
}

func readEntries(all map[string][][]json.RawMessage) (map[string][]Entry, error) {
	entries := map[string][]Entry{}
	for cache, list := range all {
		entries[cache] = []Entry{}
		for _, fields := range list {
			var e Entry
			var err error
			if len(fields) < 2 {
				return nil, fmt.Errorf("cache %s: an entry has a key and a value", cache)
			}
			if e.Key, err = readBytes(fields[0], ""); err != nil {
				return nil, err
			}
			if e.Value, err = readBytes(fields[1], ""); err != nil {
				return nil, err
			}
			if len(fields) > 2 {
				if err = json.Unmarshal(fields[2], &e.Partition); err != nil {
					return nil, err
				}
			}
			entries[cache] = append(entries[cache], e)
		}
		// Hosts list entries by partition and then by key in the form of SPEC.md
		// 5.4, which is not the order of keys for numbers; here only sameness
		// matters.
		Sort(entries[cache])
	}
	return entries, nil
}

// Sort puts entries into the order of After.
func Sort(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		if a.Partition != b.Partition {
			return int(a.Partition) - int(b.Partition)
		}
		return slices.Compare(a.Key, b.Key)
	})
}

// readBytes reads bytes in any of the forms that stand for them.
func readBytes(raw json.RawMessage, number string) ([]byte, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		if number != "" {
			s = strings.ReplaceAll(s, "#", number)
		}
		b := []byte{}
		for _, c := range s {
			if c > 255 {
				return nil, fmt.Errorf("%q: want characters up to U+00FF", s)
			}
			b = append(b, byte(c))
		}
		return b, nil
	}
	var form struct {
		Int    *int64          `json:"int"`
		Float  *float64        `json:"float"`
		Bool   *bool           `json:"bool"`
		Window *int64          `json:"window"`
		Key    json.RawMessage `json:"key"`
	}
	if err := json.Unmarshal(raw, &form); err != nil {
		return nil, err
	}
	switch {
	case form.Int != nil:
		return binary.LittleEndian.AppendUint64(nil, uint64(*form.Int)), nil
	case form.Float != nil:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(*form.Float)), nil
	case form.Bool != nil && *form.Bool:
		return []byte{1}, nil
	case form.Bool != nil:
		return []byte{0}, nil
	case form.Window != nil:
		key, err := readBytes(form.Key, number)
		return append(binary.BigEndian.AppendUint64(nil, uint64(*form.Window)^1<<63), key...), err
	}
	return nil, fmt.Errorf("%s: want a string, null, int, float, bool or window", raw)
}
