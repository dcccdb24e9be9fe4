package manifest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), run go test -update if that is right:\n%s", path, diff)
	}
}

// testOptions are hermetic: no environment, no files, one property refused.
func testOptions(env map[string]string, files map[string]string) Options {
	return Options{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if v, ok := files[filepath.ToSlash(path)]; ok {
				return []byte(v), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
		CheckProperty: func(name, value string) error {
			if name == "enable.auto.commit" && value == "true" {
				return errors.New("offsets would be committed before the outputs are")
			}
			return nil
		},
	}
}

// parse reads a text as if it stood in ./manifest.toml.
func parse(t *testing.T, text string, env map[string]string) *Manifest {
	t.Helper()
	m, err := Parse("manifest.toml", []byte(text), testOptions(env, nil))
	if err != nil {
		t.Fatalf("unexpected findings:\n%s", AsErrors(err).Render())
	}
	return m
}

// findings reads a text and returns all there is to say about it.
func findings(text string, opts Options) Errors {
	m, err := Parse("manifest.toml", []byte(text), opts)
	if err != nil {
		return AsErrors(err)
	}
	return m.Warnings
}

const head = "version = 1\nname = \"demo\"\n"

// small is a manifest with nothing to say about it, to be added to.
const small = head + "[module.m]\npath = \"m.wasm\"\n[handler.h]\nsource = [\"stdin\"]\n"

func TestBadManifestsGiveTheirFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad manifests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := Code(strings.TrimSuffix(filepath.Base(file), ".toml")[:6])
			opts := testOptions(nil, nil)
			var found Errors
			src, err := os.ReadFile(file)
			if err != nil {
				_, err = Load(file, opts)
				found = AsErrors(err)
			} else {
				for _, line := range strings.Split(string(src), "\n") {
					if arg, ok := strings.CutPrefix(line, "# set: "); ok {
						opts.Set = append(opts.Set, arg)
					}
				}
				m, err := Parse(filepath.Base(file), src, opts)
				found = AsErrors(err)
				if err == nil {
					found = m.Warnings
				}
			}
			has := false
			for _, e := range found {
				has = has || e.Code == want
			}
			if !has {
				t.Errorf("%s is not among the findings:\n%s", want, found.Render())
			}
			rendered := found.Render()
			if strings.Contains(rendered, "canary") {
				t.Errorf("a secret is shown:\n%s", rendered)
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".err", rendered)
		})
	}
}

// elsewhere lists the codes of stage manifest that package topology raises and
// has the bad manifests of.
var elsewhere = map[Code]bool{
	CodeTopicLoop: true, CodeCycle: true, CodeNoPartition: true, CodeStateClusters: true, CodeTransactionClusters: true,
	CodeUnequalPartitions: true, CodeTooManyCaches: true, CodePartitioner: true,
}

func TestEveryCodeHasABadManifest(t *testing.T) {
	for _, code := range Codes() {
		e, _ := Explain(code)
		if e.Stage != StageManifest || elsewhere[code] {
			continue
		}
		if _, err := os.Stat("testdata/bad/" + string(code) + ".toml"); err != nil {
			t.Errorf("%s (%s): %v", code, e.Title, err)
		}
	}
}

func TestEveryCodeIsExplained(t *testing.T) {
	seen := map[Code]bool{}
	for _, code := range Codes() {
		e, ok := Explain(code)
		if !ok || e.Title == "" || e.Text == "" || e.Bad == "" || e.Good == "" || e.Bad == e.Good {
			t.Errorf("%s is not explained: %+v", code, e)
		}
		if seen[code] {
			t.Errorf("%s is there twice", code)
		}
		seen[code] = true
	}
	if _, ok := Explain("SLP999"); ok {
		t.Error("SLP999 is explained")
	}
}

func TestExamplesOfCodesShowThem(t *testing.T) {
	has := func(text string, code Code) bool {
		if !strings.HasPrefix(text, "version") {
			text = head + text
		}
		for _, e := range findings(text, testOptions(nil, map[string]string{"/dev/null": ""})) {
			if e.Code == code {
				return true
			}
		}
		return false
	}
	for _, code := range Codes() {
		e, _ := Explain(code)
		if e.Stage != StageManifest || elsewhere[code] || strings.HasPrefix(e.Bad, "sliphost") {
			continue
		}
		if !has(e.Bad, code) {
			t.Errorf("the bad example of %s does not have it:\n%s", code, e.Bad)
		}
		if has(e.Good, code) {
			t.Errorf("the good example of %s has it:\n%s", code, e.Good)
		}
	}
}

func TestSpecificationIsConsistent(t *testing.T) {
	var walk func(tab *table, path []string)
	walk = func(tab *table, path []string) {
		names := map[string]bool{}
		for i := range tab.fields {
			f := &tab.fields[i]
			at := dotted(join(path, f.name))
			if names[f.name] {
				t.Errorf("%s is there twice", at)
			}
			names[f.name] = true
			if f.help == "" {
				t.Errorf("%s has no help", at)
			}
			if f.table != nil {
				if f.usable() && f.sub == nil && (f.add == nil || f.each == nil) {
					t.Errorf("%s can be used but has no place in a Manifest", at)
				}
				if f.usable() {
					walk(f.table, join(path, f.name))
				}
				continue
			}
			if f.usable() && f.slot == nil {
				t.Errorf("%s can be used but has no place in a Manifest", at)
			}
			if f.def != "" {
				if _, p := f.parse(f.def); p != nil {
					t.Errorf("the default of %s %s", at, p.msg)
				}
			}
			if f.usable() && f.example == "" {
				t.Errorf("%s has no example", at)
			}
		}
	}
	walk(spec(), nil)
}

func TestMoreThanTwentyFindingsAreCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString(small)
	for range 25 {
		b.WriteString("[[x]]\n")
	}
	found := findings(b.String(), testOptions(nil, nil))
	if len(found) != 25 {
		t.Fatalf("%d findings", len(found))
	}
	for _, text := range []string{found.Render(), found.Error()} {
		if !strings.Contains(text, "... and 5 more findings") || strings.Count(text, "SLP111") != MaxShown {
			t.Errorf("the list is not cut:\n%s", text)
		}
	}
}

func TestDeliveryIsExactlyOnceUnlessSaid(t *testing.T) {
	if m := parse(t, small, nil); m.Delivery != ExactlyOnce {
		t.Errorf("without the key: %q", m.Delivery)
	}
	if m := parse(t, "delivery = \"at_least_once\"\n"+small, nil); m.Delivery != AtLeastOnce {
		t.Errorf("with the key: %q", m.Delivery)
	}
}
