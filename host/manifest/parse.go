package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Options are what reading a manifest depends on besides its text. The zero
// Options read the process's environment and file system.
type Options struct {
	// LookupEnv answers ${VAR}; nil means os.LookupEnv.
	LookupEnv func(name string) (value string, ok bool)
	// ReadFile answers ${file:path}; nil means the file system. Paths are
	// joined with the manifest's directory.
	ReadFile func(path string) ([]byte, error)
	// Set holds "key=value" arguments that replace values of the manifest, the
	// key as TOML writes it, the value as TOML or as plain text.
	Set []string
	// CheckProperty judges a client property of [kafka.config] by its final
	// value; nil accepts all. Its error is shown, a secret value in it replaced.
	CheckProperty func(name, value string) error
}

// Load reads and validates the manifest at path. The error is an Errors with
// every finding, warnings included, when there is one that prevents a run.
func Load(path string, opts Options) (*Manifest, error) {
	src, err := readLimited(path, maxManifest)
	if err != nil {
		var perr *fs.PathError
		if errors.As(err, &perr) {
			err = perr.Err
		}
		return nil, Errors{NewError(CodeUnreadable, Position{File: path}, "cannot read the manifest: "+err.Error(), "give the path of a manifest, such as manifest.toml")}
	}
	return Parse(path, src, opts)
}

// readLimited reads a file that must not be larger than limit.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("it is larger than %s", formatSize(limit))
	}
	return data, nil
}

// Parse validates the text of a manifest; file names it in findings, and its
// directory is where relative paths start. src is not kept. The error is an
// Errors with every finding, warnings included, when there is one that
// prevents a run; otherwise the warnings are in the Manifest.
func Parse(file string, src []byte, opts Options) (*Manifest, error) {
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	if opts.ReadFile == nil {
		opts.ReadFile = func(path string) ([]byte, error) { return readLimited(path, maxReferenced) }
	}
	if len(src) > maxManifest {
		return nil, Errors{NewError(CodeUnreadable, newSpan(file, "").pos(), "the manifest is larger than "+formatSize(maxManifest), "")}
	}
	main := newSource(file, string(src))
	d := &decoder{
		opts: opts,
		m:    &Manifest{File: file, Dir: filepath.Dir(file), Clusters: []Cluster{{Name: DefaultCluster}}},
		doc:  &document{main: main, root: &node{}, places: map[string]place{}, origins: map[string]Origin{}},
	}
	d.m.doc = d.doc
	d.run()
	d.findings.Sort()
	if d.findings.Fatal() != nil {
		return nil, d.findings
	}
	d.m.Warnings = d.findings
	return d.m, nil
}

// newSpan returns the place of a whole text.
func newSpan(name, text string) span {
	return span{newSource(name, text), 0, len(text)}
}

// run takes a manifest from its text to resolved references.
func (d *decoder) run() {
	b := builder{src: d.doc.main, report: d.report}
	if !b.build(d.doc.root) {
		return
	}
	// Before anything is replaced or reported: excerpts show whole lines.
	hideSecrets(d.doc.root, 0, false)
	d.applySet()
	d.index(d.doc.root, nil)
	if !d.version() {
		return
	}
	d.table(spec(), d.doc.root, nil, d.m)
	d.resolve()
}

// version checks the manifest's version first: with another one nothing else
// that could be said would be right.
func (d *decoder) version() bool {
	n := d.doc.root.child("version")
	if n == nil || n.kind != kindInt {
		return true
	}
	if v, err := parseInt(n.text); err == nil && v != 1 {
		d.report(CodeVersion, n.val, []string{"version"}, "the manifest has version "+n.text+", and this sliphost reads version 1", "update sliphost, or write version = 1")
		return false
	}
	return true
}
