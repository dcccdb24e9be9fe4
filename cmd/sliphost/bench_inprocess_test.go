package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkInProcess takes the lines of a file through a guest to standard
// output, with and without a pipe, in a process of its own and without any
// broker: the paths that the seed has in one process.
func BenchmarkInProcess(b *testing.B) {
	dir := b.TempDir()
	f, err := os.Create(filepath.Join(dir, "in.txt"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range benchRecords {
		fmt.Fprintf(w, "line %0100d\n", i)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, guest, pipe string }{
		{"rust", "rust-identity", ""}, {"go", "go-identity", ""}, {"rust-pipe", "rust-identity", `pipe = ["identity"]`},
	} {
		b.Run(c.name, func(b *testing.B) {
			module, err := filepath.Abs(filepath.Join("..", "..", "build", "guests", c.guest+".wasm"))
			if err != nil {
				b.Fatal(err)
			}
			path, err := executable()
			if err != nil {
				b.Fatal(err)
			}
			for n := range b.N {
				text := fmt.Sprintf("version = 1\nname = \"bench\"\nstate_dir = \"state-%s-%d\"\n[module.m]\npath = %q\n[handler.identity]\nsource = [\"file:in.txt\"]\n%s\nsink = [\"stdout\"]\n", c.name, n, module, c.pipe)
				if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
					b.Fatal(err)
				}
				cmd := exec.Command(path, "run", "--until-idle")
				cmd.Dir = dir
				measure(b, cmd)
			}
		})
	}
}
