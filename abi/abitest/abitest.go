// Package abitest reads the byte vectors of abi/vectors for tests.
package abitest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/sliphost/sliphost/abi/vectors"
)

// Vector is one case of abi/vectors; README.md there says what each class
// asks of a codec.
type Vector struct {
	Name, Message, Class string
	// Wire is what is read; Canon what must be written then (nil for reject).
	Wire, Canon []byte
	// Value is what Wire means: nil, bool, []any, or a string leaf such as
	// "i:5". Not set for reject.
	Value any
	// Want and At are the Go reader's error; reject only.
	Want string
	At   int
}

// Classes of vectors.
const (
	Canonical = "canonical"
	Liberal   = "liberal"
	Forward   = "forward"
	Reject    = "reject"
)

// Load returns all vectors, those of a message together, in a fixed order.
func Load() ([]Vector, error) {
	names, err := fs.Glob(vectors.Files, "*.json")
	if err != nil {
		return nil, err
	}
	var all []Vector
	for _, name := range names {
		data, err := vectors.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		list, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("vectors/%s: %w", name, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

func parse(data []byte) ([]Vector, error) {
	var raw []struct {
		Name, Message, Class, Hex, Canon string
		Value                            any
		Error, At                        string
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	list := make([]Vector, len(raw))
	for i, v := range raw {
		wire, err := hex.DecodeString(v.Hex)
		if err != nil {
			return nil, fmt.Errorf("%s: hex: %w", v.Name, err)
		}
		list[i] = Vector{Name: v.Name, Message: v.Message, Class: v.Class, Wire: wire, Value: v.Value, Want: v.Error}
		if v.Class == Reject {
			list[i].At, err = strconv.Atoi(v.At)
		} else {
			list[i].Canon, err = hex.DecodeString(v.Canon)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
	}
	return list, nil
}
