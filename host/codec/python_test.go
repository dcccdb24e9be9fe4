package codec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var answers = flag.Bool("answers", false, "write testdata/python/answers.json, which vectors.py checks")

// TestPythonVectors reads what independent libraries wrote, and writes it
// again. testdata/python/vectors.py makes the vectors and reads the answers.
func TestPythonVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/python/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors map[string][]struct{ Wire, Msgpack []byte }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("testdata/python/all.avsc")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ReadProto("testdata/python/all.proto")
	if err != nil {
		t.Fatal(err)
	}
	md, err := set.Message("")
	if err != nil {
		t.Fatal(err)
	}
	proto, err := NewProtobuf("protobuf", md)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][][]byte{}
	for name, c := range map[string]Codec{"avro": avroCodec(t, string(schema)), "protobuf": proto} {
		if len(vectors[name]) < 40 {
			t.Errorf("%s: %d vectors", name, len(vectors[name]))
		}
		for i, v := range vectors[name] {
			msg, err := c.Decode(nil, v.Wire)
			if err != nil {
				t.Errorf("%s %d: %v", name, i, err)
				continue
			}
			if diff := cmp.Diff(readable(t, v.Msgpack), readable(t, msg)); diff != "" {
				t.Errorf("%s %d: (-want +got)\n%s", name, i, diff)
			}
			// From Python's own msgpack, too: its forms are others, its order is not.
			wire, err := c.Encode(nil, v.Msgpack)
			if err != nil {
				t.Errorf("%s %d: %v", name, i, err)
			}
			if name == "avro" && !bytes.Equal(wire, v.Wire) {
				t.Errorf("%s %d: written %x, want %x", name, i, wire, v.Wire)
			}
			out[name] = append(out[name], wire)
		}
	}
	if *answers {
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/python/answers.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readable is a value with its maps in no order and its numbers as written.
func readable(t *testing.T, msg []byte) (v any) {
	t.Helper()
	in := input{src: msg}
	d := json.NewDecoder(bytes.NewReader(in.render(nil)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || in.err != nil {
		t.Fatalf("%x: %v, %v", msg, err, in.err)
	}
	return v
}
