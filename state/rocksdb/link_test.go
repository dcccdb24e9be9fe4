package rocksdb

import (
	"debug/elf"
	"os"
	"regexp"
	"testing"
)

// RocksDB is shared and brings its own zstd and lz4. A program that exports
// functions of these names would have them called instead.
func TestNothingOfRocksDBIsReplaced(t *testing.T) {
	if err := checkLink(); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(os.Args[0])
	if err != nil {
		t.Skip("no ELF file: ", err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	used := false
	theirs := regexp.MustCompile(`^(ZSTD_|LZ4_|XXH|deflate|inflate|snappy)`)
	for _, s := range symbols {
		used = used || s.Name == "rocksdb_write"
		if s.Section != elf.SHN_UNDEF && theirs.MatchString(s.Name) {
			t.Errorf("the program exports %s: link with -ldflags=-extldflags=-Wl,--exclude-libs,ALL", s.Name)
		}
	}
	if !used {
		t.Error("RocksDB is not a shared library here, so this test sees nothing")
	}
}
