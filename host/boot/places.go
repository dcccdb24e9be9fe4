package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sliphost/sliphost/host/manifest"
)

// checkPlaces says which files and directories of m a run would refuse. It
// creates and changes nothing. Each place is named once.
func checkPlaces(m *manifest.Manifest, o Options) error {
	errs := []error{checkStateDir(o.stateDir(m))}
	written := map[string]bool{}
	for i := range m.Handlers {
		for _, s := range m.Handlers[i].Sinks {
			if s.Kind == manifest.EndpointFile && !written[s.Path] {
				written[s.Path] = true
				errs = append(errs, checkSink(s.Path))
			}
		}
	}
	read := map[string]bool{}
	for i := range m.Handlers {
		for _, s := range m.Handlers[i].Sources {
			// A file that is written too is there once the run has opened it.
			if s.Kind == manifest.EndpointFile && !read[s.Path] && !written[s.Path] {
				read[s.Path] = true
				errs = append(errs, checkSource(s.Path))
			}
		}
	}
	return errors.Join(errs...)
}

func checkStateDir(path string) error {
	const advice = "set state_dir in the manifest to a writable place"
	dir, err := nearest(path)
	if err == nil {
		err = writableDir(dir)
	}
	switch {
	case err == nil:
		return nil
	case dir == filepath.Clean(path):
		return fmt.Errorf("state directory %s is not writable: %w; %s", path, err, advice)
	}
	return fmt.Errorf("state directory %s cannot be created: %s: %w; %s", path, dir, err, advice)
}

// nearest is path or the nearest place above it that exists.
func nearest(path string) (string, error) {
	path = filepath.Clean(path)
	for {
		_, err := os.Stat(path)
		up := filepath.Dir(path)
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if !gone || up == path {
			if err != nil {
				err = cause(err)
			}
			return path, err
		}
		path = up
	}
}

// writableDir is nil for a directory in which this process may make files.
func writableDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return cause(err)
	case !info.IsDir():
		return syscall.ENOTDIR
	}
	const writeAndSearch = 2 | 1 // access(2): W_OK, X_OK
	return syscall.Access(path, writeAndSearch)
}

func checkSource(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("source file %s cannot be read: %w", path, cause(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("source file %s is not a regular file; use source \"stdin\" and redirect it there", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("source file %s cannot be read: %w", path, cause(err))
	}
	return file.Close()
}

func checkSink(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = syscall.EISDIR
	case err == nil:
		const write = 2 // access(2): W_OK
		err = syscall.Access(path, write)
	case errors.Is(err, fs.ErrNotExist):
		err = writableDir(filepath.Dir(path))
	default:
		err = cause(err)
	}
	if err != nil {
		return fmt.Errorf("sink file %s cannot be written: %w", path, err)
	}
	return nil
}
