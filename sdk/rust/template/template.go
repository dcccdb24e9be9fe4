// Package template writes the Rust project that `sliphost new --lang rust`
// starts a user with. The project holds a copy of the SDK's crate and depends
// on it by path: it builds and tests with cargo alone, without a registry.
package template

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// project is what is written, with placeholder in place of the name.
//
//go:embed project
var project embed.FS

const (
	placeholder = "project-name"
	crate       = "sdk/rust/sliphost"
)

// Write writes a project called name into dir, which is made if it is not
// there and must otherwise be empty. sources is sliphost.Sources. A name has
// lower-case letters, digits and dashes and begins with a letter: it becomes
// the application's id.
func Write(dir, name string, sources fs.FS) error {
	if !validName(name) {
		return errors.New("project name \"" + name + "\": want lower-case letters, digits and dashes, a letter first")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return errors.New(dir + " is not empty: give a new directory")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := copyTree(dir, name, project, "project"); err != nil {
		return err
	}
	if err := copyTree(filepath.Join(dir, "sdk", "sliphost"), "", sources, crate); err != nil {
		return err
	}
	license, err := fs.ReadFile(sources, "LICENSE")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sdk", "LICENSE"), license, 0o644)
}

func validName(name string) bool {
	if name == "" || len(name) > 100 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// copyTree writes everything below root of from into dir; a name replaces the
// placeholder.
func copyTree(dir, name string, from fs.FS, root string) error {
	sub, err := fs.Sub(from, root)
	if err != nil {
		return err
	}
	return fs.WalkDir(sub, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(strings.Replace(file, "gitignore", ".gitignore", 1)))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := fs.ReadFile(sub, file)
		if err != nil {
			return err
		}
		if name != "" {
			data = bytes.ReplaceAll(data, []byte(placeholder), []byte(name))
		}
		return os.WriteFile(to, data, 0o644)
	})
}
