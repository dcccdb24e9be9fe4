package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sliphost/sliphost"

// row is what the packages below a folder may import beside the standard
// library and packages of their own folder. Longer folders win.
type row struct {
	folder string
	// ours lists packages of this module: exact, or with all below if they end
	// in "/...".
	ours []string
	// theirs lists other modules; "*" is any but those in owners.
	theirs []string
	// lean packages are part of guests and must reach neither fmt nor reflect.
	lean bool
}

// rows is the table of the house. A package in no row is an error: its place
// is decided here.
var rows = []row{
	{folder: "abi", lean: true},
	{folder: "abi/vectors"},
	{folder: "abi/internal", ours: []string{"abi"}, theirs: []string{"*"}},
	{folder: "abi/abitest", ours: []string{"abi", "abi/vectors"}},
	{folder: "abi/abitest/recode", ours: []string{"abi"}, lean: true},
	{folder: "sdk", ours: []string{"abi"}},
	{folder: "sdk/go", ours: []string{"abi"}, lean: true},
	{folder: "sdk/go/sliptest", ours: []string{"abi", "sdk/go/..."}},
	{folder: "sdk/go/sdktest", ours: []string{"abi", "abi/abitest/...", "sdk/go"}},
	{folder: "sdk/go/sdktest/cases", ours: []string{"sdk/go/sliptest"}},
	{folder: "sdk/go/sdktest/model", ours: []string{"sdk/go/sdktest/cases"}, theirs: []string{"pgregory.net/rapid"}},
	{folder: "sdk/go/sdktest/guests", ours: []string{"abi", "abi/abitest/recode", "sdk/go"}, lean: true},
	{folder: "state", theirs: []string{"github.com/tidwall/btree"}},
	{folder: "state/rocksdb", ours: []string{"state"}, theirs: []string{"github.com/linxGnu/grocksdb"}},
	{folder: "kafka", ours: []string{"abi"}, theirs: []string{"github.com/confluentinc/confluent-kafka-go/v2"}},
	{folder: "kafka/embedded", theirs: []string{"github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kfake", "github.com/twmb/franz-go/pkg/kmsg", "golang.org/x/sys"}},
	{folder: "kafka/kafkatest/plainloop", theirs: []string{"github.com/confluentinc/confluent-kafka-go/v2"}},
	{folder: "kafka/kafkatest", ours: []string{"abi", "kafka", "kafka/embedded"}},
	{folder: "host", ours: []string{"abi", "state", "host/crashpoint", "host/manifest", "host/topology", "host/module", "host/codec", "host/checkpoint", "host/connector", "host/metrics"}, theirs: []string{"*"}},
	{folder: "host/manifest", ours: []string{"host/cron"}, theirs: []string{"github.com/pelletier/go-toml/v2"}},
	{folder: "host/cron"},
	{folder: "host/topology", ours: []string{"host/manifest"}},
	{folder: "host/checkpoint", ours: []string{"abi"}},
	{folder: "host/crashpoint"},
	{folder: "host/module", ours: []string{"abi", "host/module/wasm", "host/module/wasm/meter"}, theirs: []string{"github.com/tetratelabs/wazero", "golang.org/x/sys"}},
	{folder: "host/module/wasm"},
	{folder: "host/module/wasm/meter", ours: []string{"host/module/wasm"}},
	{folder: "host/codec", ours: []string{"abi"}, theirs: []string{"*"}},
	{folder: "host/connector", ours: []string{"abi", "host/cron"}, theirs: []string{"*"}},
	{folder: "host/metrics", theirs: []string{"github.com/prometheus/client_golang"}},
	{folder: "host/hosttest", ours: []string{"abi", "host/...", "state"}},
	{folder: "host/admin", ours: []string{"host", "host/manifest", "host/topology", "host/metrics"}, theirs: []string{"*"}},
	{folder: "host/boot", ours: []string{"abi", "host/...", "kafka", "kafka/embedded", "state", "state/rocksdb"}, theirs: []string{"*"}},
	{folder: "host/golden", ours: []string{"abi", "host/..."}, theirs: []string{"github.com/pelletier/go-toml/v2"}},
	{folder: "cmd/sliphost", ours: []string{"abi", "host/...", "sdk/..."}, theirs: []string{"*"}},
	{folder: "examples", ours: []string{"abi", "sdk/go/..."}},
	// A host of one's own imports what anybody else can.
	{folder: "examples/custom-connector", ours: []string{"host/connector"}, theirs: []string{module}},
}

// owners are modules that only some folders may import, whatever their row
// says. Tests are free.
var owners = map[string][]string{
	"github.com/confluentinc/confluent-kafka-go/v2": {"kafka", "kafka/kafkatest/plainloop"},
	"github.com/linxGnu/grocksdb":                   {"state/rocksdb"},
	"github.com/tetratelabs/wazero":                 {"host/module"},
	"github.com/twmb/franz-go/pkg/kfake":            {"kafka/embedded"},
	"github.com/pelletier/go-toml/v2":               {"host/manifest", "host/golden", "abi/internal"},
	"github.com/vmihailenco/msgpack/v5":             {"abi/internal", "cmd/sliphost"},
}

// notLean are the parts of the standard library that would grow a guest.
func notLean(path string) bool {
	return path == "fmt" || path == "reflect" || path == "log" || strings.HasPrefix(path, "log/") ||
		path == "encoding" || strings.HasPrefix(path, "encoding/")
}

// pkg is a package as go list describes it.
type pkg struct {
	ImportPath string
	Name       string
	Standard   bool
	Imports    []string
	Deps       []string
	CgoFiles   []string
	Module     *struct{ Path string }
	Error      *struct{ Err string }
}

// folder is the package's place in the repository, or "" for a foreign one.
func (p *pkg) folder() string {
	rest, ok := strings.CutPrefix(p.ImportPath, module+"/")
	if !ok {
		return ""
	}
	return rest
}

func TestHouseLayers(t *testing.T) {
	pkgs := listPackages(t, nil, "./...")
	for _, p := range sorted(pkgs) {
		folder := p.folder()
		if folder == "" {
			continue
		}
		r := rowOf(folder)
		if r == nil {
			t.Errorf("%s is in no row of the import table (layering_test.go)", folder)
			continue
		}
		for _, path := range p.Imports {
			if why := r.refuses(folder, path, pkgs); why != "" {
				t.Errorf("%s imports %s: %s", folder, path, why)
			}
		}
		if r.lean {
			for _, path := range p.Imports {
				if notLean(path) {
					t.Errorf("%s imports %s, which would grow every guest", folder, path)
				}
			}
		}
	}
}

func rowOf(folder string) *row {
	var best *row
	for i := range rows {
		r := &rows[i]
		if within(folder, r.folder) && (best == nil || len(r.folder) > len(best.folder)) {
			best = r
		}
	}
	return best
}

// within says whether folder is top or below it.
func within(folder, top string) bool {
	return folder == top || strings.HasPrefix(folder, top+"/")
}

// refuses says why a package in folder may not import path, or "".
func (r *row) refuses(folder, path string, pkgs map[string]*pkg) string {
	if path == "C" {
		return ""
	}
	p := pkgs[path]
	if p == nil || p.Standard {
		return ""
	}
	if other := p.folder(); other != "" {
		if within(other, r.folder) && rowOf(other) == r {
			return ""
		}
		for _, allowed := range r.ours {
			if top, below := strings.CutSuffix(allowed, "/..."); other == allowed || below && within(other, top) {
				return ""
			}
		}
		return fmt.Sprintf("the row of %s allows of ours only %v", r.folder, r.ours)
	}
	name := p.Module.Path
	if allowed, owned := owners[name]; owned {
		for _, top := range allowed {
			if within(folder, top) && rowOf(folder).folder == rowOf(top).folder {
				return ""
			}
		}
		return fmt.Sprintf("only %v may import %s", allowed, name)
	}
	if slices.Contains(r.theirs, name) || slices.Contains(r.theirs, "*") {
		return ""
	}
	return fmt.Sprintf("the row of %s allows of other modules only %v", r.folder, r.theirs)
}

// A table that refuses nothing would pass as well.
func TestHouseTableRefuses(t *testing.T) {
	foreign := func(path, mod string) *pkg {
		return &pkg{ImportPath: path, Module: &struct{ Path string }{mod}}
	}
	pkgs := map[string]*pkg{
		"fmt":                               {ImportPath: "fmt", Standard: true},
		"github.com/tetratelabs/wazero/api": foreign("github.com/tetratelabs/wazero/api", "github.com/tetratelabs/wazero"),
		"github.com/confluentinc/confluent-kafka-go/v2/kafka": foreign("github.com/confluentinc/confluent-kafka-go/v2/kafka", "github.com/confluentinc/confluent-kafka-go/v2"),
		"github.com/linxGnu/grocksdb":                         foreign("github.com/linxGnu/grocksdb", "github.com/linxGnu/grocksdb"),
		"github.com/twmb/franz-go/pkg/kfake":                  foreign("github.com/twmb/franz-go/pkg/kfake", "github.com/twmb/franz-go/pkg/kfake"),
		"github.com/spf13/cobra":                              foreign("github.com/spf13/cobra", "github.com/spf13/cobra"),
	}
	for _, folder := range []string{"abi", "abi/vectors", "sdk/go", "sdk/go/sliptest", "kafka", "kafka/embedded", "state", "state/rocksdb", "host", "host/module", "host/module/wasm", "host/codec", "host/boot", "host/admin", "host/manifest", "cmd/sliphost"} {
		pkgs[module+"/"+folder] = &pkg{ImportPath: module + "/" + folder}
	}
	const (
		wazero    = "github.com/tetratelabs/wazero/api"
		confluent = "github.com/confluentinc/confluent-kafka-go/v2/kafka"
		rocks     = "github.com/linxGnu/grocksdb"
		kfake     = "github.com/twmb/franz-go/pkg/kfake"
		cobra     = "github.com/spf13/cobra"
	)
	our := func(folder string) string { return module + "/" + folder }
	for _, tc := range []struct {
		folder, path string
		allowed      bool
	}{
		{"abi", our("abi/vectors"), false},
		{"abi", cobra, false},
		{"abi", "fmt", true}, // refused as not lean, not by the table
		{"sdk/go", our("abi"), true},
		{"sdk/go", our("host"), false},
		{"sdk/go", our("sdk/go/sliptest"), false},
		{"state", our("abi"), false},
		{"state", rocks, false},
		{"state/rocksdb", rocks, true},
		{"state/rocksdb", our("state"), true},
		{"state/rocksdb", our("host"), false},
		{"state", cobra, false},
		{"kafka", confluent, true},
		{"kafka", our("host"), false},
		{"kafka", our("state"), false},
		{"kafka", kfake, false},
		{"kafka/embedded", kfake, true},
		{"kafka/embedded", confluent, false},
		{"host", our("abi"), true},
		{"host", our("host/module"), true},
		{"host", our("kafka"), false},
		{"host", our("state"), true},
		{"host", our("state/rocksdb"), false},
		{"host", our("host/boot"), false},
		{"host", our("host/admin"), false},
		{"host", wazero, false},
		{"host", rocks, false},
		{"host/module", wazero, true},
		{"host/module", our("host/module/wasm"), true},
		{"host/module", our("host"), false},
		{"host/module/wasm", wazero, false},
		{"host/module/wasm", our("abi"), false},
		{"host/codec", our("kafka"), false},
		{"host/codec", cobra, true},
		{"host/codec", wazero, false},
		{"host/manifest", our("abi"), false},
		{"host/boot", our("kafka"), true},
		{"host/boot", our("cmd/sliphost"), false},
		{"host/boot", confluent, false},
		{"cmd/sliphost", our("host/boot"), true},
		{"cmd/sliphost", our("kafka"), false},
		{"cmd/sliphost", our("kafka/embedded"), false},
		{"cmd/sliphost", wazero, false},
		{"cmd/sliphost", rocks, false},
		{"cmd/sliphost", cobra, true},
	} {
		why := rowOf(tc.folder).refuses(tc.folder, tc.path, pkgs)
		if (why == "") != tc.allowed {
			t.Errorf("%s imports %s: allowed is %v, want %v (%s)", tc.folder, tc.path, why == "", tc.allowed, why)
		}
	}
	if rowOf("toolbox") != nil {
		t.Error("a folder that is in no row got one")
	}
	for path, want := range map[string]bool{"fmt": true, "reflect": true, "log/slog": true, "encoding/json": true, "strconv": false, "internal/reflectlite": false} {
		if notLean(path) != want {
			t.Errorf("notLean(%s) is %v", path, !want)
		}
	}
}

// The engine must be buildable and testable without a C compiler, and must
// not reach the client or the store by any way.
func TestHouseEngineIsFreeOfCgo(t *testing.T) {
	pkgs := listPackages(t, nil, "./host")
	for _, p := range sorted(pkgs) {
		if len(p.CgoFiles) > 0 && !p.Standard {
			t.Errorf("host reaches %s, which uses cgo", p.ImportPath)
		}
		if f := p.folder(); within(f, "kafka") || within(f, "state/rocksdb") || within(f, "host/boot") || within(f, "host/admin") {
			t.Errorf("host reaches %s", f)
		}
	}
}

// What a guest links must not contain fmt or reflect: they cost it a megabyte.
func TestHouseGuestsAreLean(t *testing.T) {
	pkgs := listPackages(t, []string{"GOOS=wasip1", "GOARCH=wasm"}, "./abi", "./sdk/go", "./sdk/go/sdktest/guests/...")
	for _, p := range sorted(pkgs) {
		if p.folder() == "" {
			continue
		}
		for _, dep := range p.Deps {
			if notLean(dep) {
				t.Errorf("%s reaches %s by way of %s", p.folder(), dep, via(pkgs, p.ImportPath, dep))
			}
			if d := pkgs[dep]; d != nil && !d.Standard && d.folder() == "" {
				t.Errorf("%s reaches %s: guests use the standard library only", p.folder(), dep)
			}
		}
	}
}

// via is the import chain from one package to another.
func via(pkgs map[string]*pkg, from, to string) string {
	p := pkgs[from]
	for _, next := range p.Imports {
		if next == to {
			return from
		}
	}
	for _, next := range p.Imports {
		if d := pkgs[next]; d != nil && slices.Contains(d.Deps, to) {
			return from + " > " + via(pkgs, next, to)
		}
	}
	return from
}

// listPackages runs go list for patterns and all they reach.
func listPackages(t *testing.T, env []string, patterns ...string) map[string]*pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{
		"list", "-e", "-deps",
		"-json=ImportPath,Name,Standard,Imports,Deps,CgoFiles,Module,Error",
	}, patterns...)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	pkgs := map[string]*pkg{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Error != nil {
			t.Fatalf("%s: %s", p.ImportPath, p.Error.Err)
		}
		pkgs[p.ImportPath] = p
	}
	return pkgs
}

func sorted(pkgs map[string]*pkg) []*pkg {
	list := make([]*pkg, 0, len(pkgs))
	for _, p := range pkgs {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *pkg) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return list
}

// root is the top folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}
