// Command abigen writes everything that follows from abi.toml: zz_abi.go, the
// Rust SDK's zz_abi.rs and the tables inside SPEC.md. Run it with
// go generate ./abi; with -check it writes nothing and fails when a file
// differs.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "top folder of the repository")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "abigen:", err)
		os.Exit(1)
	}
}

// run generates every file below root, or compares it when check is set.
func run(root string, check bool) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, f.path)
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, f.data) {
			continue
		}
		if check {
			return fmt.Errorf("%s is not what abi.toml says: run go generate ./abi", f.path)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

type file struct {
	path string
	data []byte
}

// generate returns the generated files with paths below root.
func generate(root string) ([]file, error) {
	m, err := readModel(filepath.Join(root, "abi", "abi.toml"))
	if err != nil {
		return nil, err
	}
	goSrc, err := goFile(m)
	if err != nil {
		return nil, err
	}
	spec, err := os.ReadFile(filepath.Join(root, "abi", "SPEC.md"))
	if err != nil {
		return nil, err
	}
	spec, err = specFile(m, spec)
	if err != nil {
		return nil, err
	}
	return []file{
		{"abi/zz_abi.go", goSrc},
		{"sdk/rust/sliphost/src/zz_abi.rs", rustFile(m)},
		{"abi/SPEC.md", spec},
	}, nil
}
