package golden

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

// Options configure Run.
type Options struct {
	// Update writes what came out into the test file in place of what was
	// expected.
	Update bool
	// Logger takes what the handlers and the engine log; nil discards it.
	Logger *slog.Logger
	// CacheDir holds compiled modules; empty chooses the user's cache folder.
	CacheDir string
}

// Result is what became of one test file.
type Result struct {
	File string `json:"file"`
	// Passed is set when all that came out was expected; Updated when the file
	// was changed so that it is.
	Passed  bool `json:"passed"`
	Updated bool `json:"updated,omitempty"`
	// Diff shows what was different, Error why the test could not be run or how
	// the run failed against expectation; both are text of several lines.
	Diff  string `json:"diff,omitempty"`
	Error string `json:"error,omitempty"`
}

// Find returns the test files of a manifest: those in its directory, in the
// order of their names, that are for this manifest.
func Find(manifestPath string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(manifestPath)), "*"+Suffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	var mine []string
	for _, path := range all {
		f, err := readFile(path)
		// A file that cannot be read is everyone's: it has to be reported.
		if err != nil || filepath.Clean(f.manifest) == filepath.Clean(manifestPath) {
			mine = append(mine, path)
		}
	}
	return mine, nil
}

// escapeGlob makes a pattern that matches dir alone.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// Run runs one test file. What is wrong with the test or its outcome is in the
// Result; the error is a manifest.Errors about the manifest under test, or one
// of the machine.
func Run(ctx context.Context, path string, o Options) (*Result, error) {
	r := &Result{File: path}
	f, err := readFile(path)
	if err != nil {
		r.Error = err.Error()
		return r, nil
	}
	m, err := manifest.Load(f.manifest, manifest.Options{
		Set: f.set,
		LookupEnv: func(name string) (string, bool) {
			v, ok := f.env[name]
			return v, ok
		},
	})
	if err != nil {
		return nil, err
	}
	bo := boot.Options{Logger: o.Logger, CacheDir: o.CacheDir, LocalRegistry: true}
	mods, found, err := boot.LoadModules(ctx, m, bo)
	if err != nil {
		return nil, err
	}
	defer mods.Close(ctx)
	if found.Fatal() != nil {
		return nil, found
	}
	b, found := boot.BuildPlan(m, mods)
	if b == nil || found.Fatal() != nil {
		return nil, found
	}
	s, err := newScene(f, b, o)
	if err != nil {
		r.Error = err.Error()
		return r, nil
	}
	err = r.play(ctx, s)
	return r, errors.Join(err, s.close())
}

// play runs a scene and judges what came out.
func (r *Result) play(ctx context.Context, s *scene) error {
	ran := s.run(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if !r.judge(s.f, ran) {
		return nil
	}
	all, err := s.compare()
	if err != nil {
		r.Error = err.Error()
		return nil
	}
	caches, err := s.compareCaches()
	if err != nil {
		r.Error = err.Error()
		return nil
	}
	return r.settle(s.f, all, caches, s.o)
}

// judge decides about the way the run ended.
func (r *Result) judge(f *file, err error) bool {
	switch {
	case f.fails == nil && err != nil:
		r.Error = "the run failed: " + err.Error()
	case f.fails != nil && err == nil:
		r.Error = fmt.Sprintf("the run succeeded, and an error with %q was expected", *f.fails)
	case f.fails != nil && !strings.Contains(err.Error(), *f.fails):
		r.Error = fmt.Sprintf("the run failed without %q in its error: %s", *f.fails, err)
	default:
		return true
	}
	return false
}

// settle turns the comparison of all sinks and caches into the result.
func (r *Result) settle(f *file, all []comparison, caches []cacheComparison, o Options) error {
	var diff strings.Builder
	for i := range all {
		if different(all[i].steps) {
			diff.WriteString(render(f, all[i].sink, all[i].wants, all[i].got, all[i].steps))
		}
	}
	for i := range caches {
		if caches[i].different() {
			diff.WriteString(caches[i].render(f))
		}
	}
	r.Diff = diff.String()
	r.Passed = r.Diff == ""
	if r.Passed || !o.Update {
		return nil
	}
	if err := update(f, all, caches); err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			return err
		}
		r.Error = err.Error()
		return nil
	}
	r.Passed, r.Updated = true, true
	return nil
}
