// Command vectorgen writes abi/vectors/*.json from the cases in this folder.
//
// It shares no code with the codec under test: bytes come from hand-written
// hex or from the encoder of vmihailenco/msgpack. Run it with
// go generate ./abi/vectors; with -check it writes nothing and fails when a
// file differs.
package main

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	out := flag.String("out", ".", "folder of the vectors")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	if err := run(*out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "vectorgen:", err)
		os.Exit(1)
	}
}

func run(out string, check bool) error {
	for _, message := range messages {
		data, err := message.file()
		if err != nil {
			return err
		}
		path := filepath.Join(out, strings.ToLower(message.name)+".json")
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if check {
			return fmt.Errorf("%s is not what the cases say: run go generate ./abi/vectors", path)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// message is the cases of one message.
type message struct {
	name  string
	cases []vector
}

// vector is one case. Made by canonical, liberal, forward and reject.
type vector struct {
	name, class string
	wire        []byte
	value       any
	want        string
	at          int
}

// canonical: value's own encoding must be read as value and written so.
func canonical(name string, value any) vector {
	return vector{name: name, class: "canonical", wire: encode(value), value: value}
}

// liberal: wire, hex with spaces, must be read as value.
func liberal(name, wire string, value any) vector {
	return vector{name: name, class: "liberal", wire: unhex(wire), value: value}
}

// forward: what a newer minor version sends must be read as value.
func forward(name string, sent, value any) vector {
	return vector{name: name, class: "forward", wire: encode(sent), value: value}
}

// reject: wire must be refused at byte at; want is what this project's reader
// says.
func reject(name, wire string, at int, want string) vector {
	return vector{name: name, class: "reject", wire: unhex(wire), at: at, want: want}
}

// rejected is reject for a message given as a value.
func rejected(name string, sent any, at int, want string) vector {
	return vector{name: name, class: "reject", wire: encode(sent), at: at, want: want}
}

func (m *message) file() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("[\n")
	seen := map[string]bool{}
	for i, v := range m.cases {
		if seen[v.name] {
			return nil, fmt.Errorf("%s: two cases are called %q", m.name, v.name)
		}
		seen[v.name] = true
		fmt.Fprintf(&b, `{"name": %q, "message": %q, "class": %q, "hex": "%x"`, v.name, m.name, v.class, v.wire)
		if v.class == "reject" {
			fmt.Fprintf(&b, `, "error": %q, "at": "%d"}`, v.want, v.at)
		} else {
			fmt.Fprintf(&b, `, "canon": "%x", "value": %s}`, encode(v.value), tagged(v.value))
		}
		if i < len(m.cases)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	if bytes.ContainsRune(b.Bytes(), '\\') {
		return nil, fmt.Errorf("%s: a string needs an escape, which readers of vectors do not know", m.name)
	}
	return b.Bytes(), nil
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		panic(fmt.Sprintf("case with hex %q: %v", s, err))
	}
	return b
}

// tagged is the tagged JSON of a value; vectors/README.md has its grammar.
func tagged(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int:
		return fmt.Sprintf(`"i:%d"`, v)
	case uint64:
		return fmt.Sprintf(`"i:%d"`, v)
	case string:
		for _, c := range []byte(v) {
			if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
				return fmt.Sprintf(`"x:%x"`, v)
			}
		}
		return `"s:` + v + `"`
	case bin:
		return fmt.Sprintf(`"b:%x"`, []byte(v))
	case raw:
		return fmt.Sprintf(`"r:%x"`, encode(v))
	case arr:
		return list(v)
	case arr32:
		return list(v)
	case stream:
		return list(v)
	case rec:
		return list(v)
	}
	panic(fmt.Sprintf("no tagged form of %T", v))
}

func list(elems []any) string {
	parts := make([]string, len(elems))
	for i, e := range elems {
		parts[i] = tagged(e)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
