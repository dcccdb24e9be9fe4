package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/host/manifest"
)

func TestCheckPlaces(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("lines"), []byte("a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := func(names ...string) (es []manifest.Endpoint) {
		for _, name := range names {
			es = append(es, manifest.Endpoint{Kind: manifest.EndpointFile, Path: in(name)})
		}
		return es
	}
	tests := []struct {
		name, state    string
		sources, sinks []manifest.Endpoint
		want           []string
	}{
		{"all there", "new/state", file("lines"), file("out"), nil},
		{"a file that is read and written", "s", file("loop"), file("loop"), nil},
		{"state is a file", "lines", nil, nil, []string{"state directory " + in("lines") + " is not writable: not a directory"}},
		{"state below a file", "lines/s", nil, nil, []string{"state directory " + in("lines/s") + " cannot be created"}},
		{"sources", "s", file("gone", ".", "gone"), nil, []string{in("gone") + " cannot be read: no such file", in(".") + " is not a regular file"}},
		{"sinks", "s", nil, file(".", "gone/out"), []string{in(".") + " cannot be written: is a directory", in("gone/out") + " cannot be written: no such file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &manifest.Manifest{StateDir: in(tt.state), Handlers: []manifest.Handler{{Sources: tt.sources, Sinks: named(tt.sinks)}}}
			err := checkPlaces(m, Options{})
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %d errors", got, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("error %d is %q, want %q in it", i, got[i], want)
				}
			}
		})
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the checks left %v behind: %v", entries, err)
	}
}

func named(es []manifest.Endpoint) (sinks []manifest.Sink) {
	for _, e := range es {
		sinks = append(sinks, manifest.Sink{Name: "out", Endpoint: e})
	}
	return sinks
}
