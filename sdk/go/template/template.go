// Package template writes the Go project that `sliphost new --lang go`
// starts a user with. The project holds a copy of the SDK and replaces the
// module by it: it builds and tests with the Go toolchain alone, without a
// module proxy.
package template

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// project is what is written, with placeholder in place of the name. Its Go
// files are a package of this repository, so they are compiled and tested
// with everything else.
//
//go:embed project/README.md project/manifest.toml project/hello.test.toml project/handlers project/gitignore
var project embed.FS

const (
	placeholder = "project-name"
	module      = "github.com/sliphost/sliphost"
	// goVersion is the least Go version that the SDK builds with.
	goVersion = "1.24"
)

// trimmed are the folders of the SDK's copy.
var trimmed = []string{"abi", "sdk/go", "sdk/go/internal/link", "sdk/go/internal/memory", "sdk/go/sliptest", "sdk/go/gen", "sdk/go/slipgen"}

// Write writes a project called name into dir, which is made if it is not
// there and must otherwise be empty. sources is sliphost.Sources. A name has
// lower-case letters, digits and dashes and begins with a letter: it becomes
// the application's id and the module's path.
func Write(dir, name string, sources fs.FS) error {
	if !validName(name) {
		return errors.New("project name \"" + name + "\": want lower-case letters, digits and dashes, a letter first")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return errors.New(dir + " is not empty: give a new directory")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	root, err := fs.Sub(project, "project")
	if err != nil {
		return err
	}
	err = fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		to := strings.Replace(file, "gitignore", ".gitignore", 1)
		return write(dir, to, bytes.ReplaceAll(data, []byte(placeholder), []byte(name)))
	})
	if err != nil {
		return err
	}
	if err := write(dir, "go.mod", []byte("module "+name+"\n\ngo "+goVersion+"\n\nrequire "+module+" v0.0.0\n\n"+
		"// The SDK, as it came with sliphost; `sliphost new` writes it.\nreplace "+module+" => ./sdk\n")); err != nil {
		return err
	}
	return writeSDK(filepath.Join(dir, "sdk"), sources)
}

func validName(name string) bool {
	if name == "" || len(name) > 100 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// writeSDK writes the trimmed module: packages slip, sliptest and abi, and the
// generator.
func writeSDK(dir string, sources fs.FS) error {
	for _, folder := range trimmed {
		files, err := fs.Glob(sources, folder+"/*.go")
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return errors.New("the sources lack " + folder)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			if err := copyFile(dir, file, sources); err != nil {
				return err
			}
		}
	}
	if err := copyFile(dir, "LICENSE", sources); err != nil {
		return err
	}
	return write(dir, "go.mod", []byte("module "+module+"\n\ngo "+goVersion+"\n"))
}

func copyFile(dir, file string, sources fs.FS) error {
	data, err := fs.ReadFile(sources, file)
	if err != nil {
		return err
	}
	return write(dir, file, data)
}

func write(dir, file string, data []byte) error {
	to := filepath.Join(dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(path.Dir(file))), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
