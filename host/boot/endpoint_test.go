package boot

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
)

func TestTopicsAreFoundByIDThenName(t *testing.T) {
	m := &manifest.Manifest{Topics: []manifest.Topic{
		{ID: "a", Name: "b"}, {ID: "b", Name: "B.1"}, {ID: "c", Name: "C_1", Cluster: 1},
	}}
	cases := map[string]struct {
		id, name string
		known    bool
	}{
		"a": {"a", "b", true}, "b": {"b", "B.1", true}, "B.1": {"b", "B.1", true}, "C_1": {"c", "C_1", true},
		"other": {"other", "other", false},
	}
	for name, want := range cases {
		got, known := FindTopic(m, name)
		if got.ID != want.id || got.Name != want.name || known != want.known {
			t.Errorf("%q: %+v, %v; want %+v", name, got, known, want)
		}
	}
	if other, _ := FindTopic(m, "other"); other.Codec != manifest.CodecRaw || other.KeyCodec != manifest.CodecRaw || other.Create {
		t.Errorf("a topic that is not in the manifest: %+v", other)
	}
}

func TestHeadersOfARecordToSend(t *testing.T) {
	if got := appendHeaders(nil, nil); got != nil {
		t.Errorf("no headers are % x", got)
	}
	it := abi.ReadHeaders(appendHeaders(nil, []Header{{"a", []byte("1")}, {"a", nil}, {"", []byte{}}}))
	var got []Header
	for {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		got = append(got, Header{string(name), value})
	}
	if diff := cmp.Diff([]Header{{"a", []byte("1")}, {"a", nil}, {"", []byte{}}}, got); diff != "" || it.Err() != nil {
		t.Error(diff, it.Err())
	}
}

func TestInspectShowsTheSameHandlersInBothLanguages(t *testing.T) {
	var all []*Inspection
	for _, name := range []string{"go-all.wasm", "rust-all.wasm"} {
		i, err := Inspect(context.Background(), filepath.Join("..", "..", "build", "guests", name), Options{})
		if err != nil {
			t.Fatalf("%v (run `make guests`)", err)
		}
		if len(i.SHA256) != 64 || i.Size == 0 || i.SDK == "" || i.Memory.Min == 0 || len(i.Imports) == 0 || len(i.Exports) == 0 || i.ABI != "1.0" {
			t.Errorf("%s: %+v", name, i)
		}
		all = append(all, i)
	}
	byName := map[string]InspectedHandler{}
	for _, h := range all[1].Handlers {
		byName[h.Name] = h
	}
	for _, h := range all[0].Handlers {
		other, ok := byName[h.Name]
		if !ok {
			continue // each language has a few of its own
		}
		for i := range h.Params {
			h.Params[i].Help, other.Params[i].Help = "", ""
		}
		if diff := cmp.Diff(h, other); diff != "" {
			t.Errorf("handler %s (-go +rust):\n%s", h.Name, diff)
		}
		delete(byName, h.Name)
	}
	if len(all[1].Handlers)-len(byName) < 10 {
		t.Errorf("only %d handlers are in both", len(all[1].Handlers)-len(byName))
	}
}

func TestInspectRefusesWhatIsNoModule(t *testing.T) {
	for path, kind := range map[string]module.LoadKind{"endpoint.go": module.NotWasm, "nothing.wasm": module.NotFound} {
		var le *module.LoadError
		if _, err := Inspect(context.Background(), path, Options{}); !errors.As(err, &le) || le.Kind != kind {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestDefaultsAreWrittenAsInAManifest(t *testing.T) {
	for want, v := range map[string]any{`"a\"b"`: `a"b`, "15": int64(15), "1.5": 1.5, "true": true} {
		if got := (InspectedParam{Default: v}).DefaultText(); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
