package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	if err := run(root, true); err != nil {
		t.Fatal(err)
	}
}

func TestStaleFileIsNoticed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"abi/abi.toml", "abi/SPEC.md"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "abi/SPEC.md" {
			data = []byte(strings.Replace(string(data), "| 0 | ok |", "| 9 | ok |", 1))
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir, true); err == nil {
		t.Fatal("missing and stale files were not noticed")
	}
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"abi/zz_abi.go", "abi/SPEC.md", "sdk/rust/sliphost/src/zz_abi.rs"} {
		want, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs from the one committed", name)
		}
	}
}

func TestModelRefusesMistakes(t *testing.T) {
	for _, tc := range []struct{ name, toml, want string }{
		{"number twice", "[[enum]]\nname = \"Kind\"\nvalues = [{name=\"A\", value=1}, {name=\"B\", value=1}]", "both 1"},
		{"unknown call", "[[import]]\nname = \"log\"\ncalls = [\"nowhere\"]", `no call "nowhere"`},
		{"parameter without type", "[[import]]\nname = \"log\"\nparams = [\"level\"]", "NAME TYPE"},
		{"unknown result", "[[import]]\nname = \"log\"\nresult = \"i128\"", "no wasm type"},
		{"unknown key", "majr = 1", "majr"},
	} {
		path := filepath.Join(t.TempDir(), "abi.toml")
		if err := os.WriteFile(path, []byte(tc.toml), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readModel(path); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestSpecMarkersAreChecked(t *testing.T) {
	m, err := readModel(filepath.Join(root, "abi/abi.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"no marker\n":                       "has no marker",
		"<!-- generated: nothing -->\n":     "no table",
		"<!-- generated: limits -->\nend\n": "has no <!-- end",
	} {
		if _, err := specFile(m, []byte(spec)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}
