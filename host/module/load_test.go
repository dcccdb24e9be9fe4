package module

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

func TestLoadRefuses(t *testing.T) {
	good := wasmtest.Guest{}.Build()
	imports := func(im ...wasmtest.Import) []byte { return wasmtest.Guest{Imports: im}.Build() }
	describe := func(d *abi.Describe) []byte {
		return wasmtest.Guest{Describe: abi.AppendDescribe(nil, d)}.Build()
	}
	tests := []struct {
		name   string
		bytes  []byte
		kind   LoadKind
		detail string // part of the error
	}{
		{"empty", []byte{}, NotWasm, "it is empty"},
		{"text", []byte("hello, this is no module"), NotWasm, "not WebAssembly; build with"},
		{"wat", []byte("(module)"), NotWasm, "wat2wasm"},
		{"elf", []byte("\x7fELF\x02\x01\x01"), NotWasm, "a program for this machine"},
		{"gzip", []byte("\x1f\x8b\x08\x00"), NotWasm, "compressed"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), ComponentModel, "component model"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), Malformed, "version 2"},
		{"head only", []byte("\x00asm"), Malformed, "cut off"},
		{"truncated", good[:len(good)-7], Malformed, "cut off"},
		{"truncated at a section", good[:8], MissingExport, "memory"},
		{"garbage behind", append(append([]byte{}, good...), 0x7f, 1, 0), Malformed, "no section with id 127"},
		{"no memory", wasmtest.Guest{Omit: "memory"}.Build(), MissingExport, "does not export memory"},
		{"no describe", wasmtest.Guest{Omit: "slip_describe"}.Build(), MissingExport, "does not export slip_describe"},
		{"no alloc", wasmtest.Guest{Omit: "slip_alloc"}.Build(), MissingExport, "does not export slip_alloc"},
		{"no init", wasmtest.Guest{Omit: "slip_init"}.Build(), MissingExport, "does not export slip_init"},
		{"no process", wasmtest.Guest{Omit: "slip_process"}.Build(), MissingExport, "does not export slip_process"},
		{"wrong process", wasmtest.Guest{Retype: map[string]string{"slip_process": "i>I"}}.Build(), WrongExportType, "slip_process is (i32) -> i64, the ABI asks for (i32, i32) -> i64"},
		{"wrong describe", wasmtest.Guest{Retype: map[string]string{"slip_describe": ">i"}}.Build(), WrongExportType, "slip_describe"},
		{"wrong initialize", wasmtest.Guest{Initialize: wasmtest.Code{}, Retype: map[string]string{"_initialize": "i"}}.Build(), WrongExportType, "_initialize"},
		{"command", wasmtest.Guest{Extra: func(b *wasmtest.Builder) { b.Func("_start", "", "") }}.Build(), MissingExport, "-buildmode=c-shared"},
		{"start function", wasmtest.Guest{Extra: func(b *wasmtest.Builder) { b.Start(b.Func("", "", "")) }}.Build(), Malformed, "start function"},
		{"unknown module", imports(wasmtest.Import{Module: "env", Name: "open", Sig: "ii>i"}), UnknownImport, "func env.open, which sliphost does not offer"},
		{"unknown function", imports(wasmtest.Import{Module: "sliphost_v1", Name: "teleport", Sig: ""}), UnknownImport, "sliphost_v1.teleport"},
		{"unknown wasi", imports(wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_teleport", Sig: ""}), UnknownImport, "fd_teleport"},
		{"wasi preview 0", imports(wasmtest.Import{Module: "wasi_unstable", Name: "fd_write", Sig: "iiii>i"}), UnknownImport, "wasi_unstable"},
		{"not a version", imports(wasmtest.Import{Module: "sliphost_vx", Name: "log", Sig: "iii"}), UnknownImport, "sliphost_vx"},
		{"wrong import", imports(wasmtest.Import{Module: "sliphost_v1", Name: "log", Sig: "ii"}), WrongImportType, "as (i32, i32), sliphost offers (i32, i32, i32)"},
		{"later host", imports(wasmtest.Import{Module: "sliphost_v2", Name: "log", Sig: "iii"}), OlderHost, "version 2 of the ABI; this sliphost speaks version 1"},
		{"capability", imports(wasmtest.Import{Module: "sliphost_v1", Name: "wall_clock", Sig: ">I"}), NotAllowed, "wall_clock"},
		{"abi 2", describe(&abi.Describe{Major: 2}), ABIVersion, "speaks version 2.0 of the ABI; this sliphost speaks 1.0"},
		{"no handlers", describe(&abi.Describe{Major: 1}), BadDescribe, "no handlers"},
		{"same name", describe(&abi.Describe{Major: 1, Handlers: []abi.HandlerDesc{{Name: "a"}, {Name: "a"}}}), BadDescribe, "names that differ"},
		{"garbage description", wasmtest.Guest{Describe: []byte{0xc1, 0xff, 0}}.Build(), BadDescribe, "cannot be read"},
		{"description ends early", wasmtest.Guest{Describe: wasmtest.DefaultDescribe("h")[:5]}.Build(), BadDescribe, "cannot be read"},
		{"description outside", wasmtest.Guest{DescribeBody: wasmtest.Packed(0xfffffff0, 0x20)}.Build(), BadDescribe, "outside its memory"},
		{"description traps", wasmtest.Guest{DescribeBody: wasmtest.Unreachable}.Build(), BadDescribe, "slip_describe: unreachable"},
		{"description asks the host", wasmtest.Guest{
			Imports:      []wasmtest.Import{{Module: "sliphost_v1", Name: "log", Sig: "iii"}},
			DescribeBody: wasmtest.Join(wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(0), wasmtest.Packed(0, 0)),
		}.Build(), BadDescribe, "slip_describe called log"},
		{"initialize traps", wasmtest.Guest{Initialize: wasmtest.Unreachable}.Build(), StartFailed, "_initialize: unreachable"},
		{"initialize asks the host", wasmtest.Guest{
			Imports:    []wasmtest.Import{{Module: "sliphost_v1", Name: "savepoint", Sig: "i>i"}},
			Initialize: wasmtest.Join(wasmtest.I32(0), wasmtest.Call(0), wasmtest.Drop),
		}.Build(), StartFailed, "_initialize called savepoint"},
		{"memory", wasmtest.Guest{MinPages: 1025}.Build(), OverMemory, "65600 KiB of memory at least, its limit is 64 MiB"},
		{"all memory", wasmtest.Guest{MinPages: 65536}.Build(), OverMemory, "4 GiB"},
		{"invalid code", wasmtest.Guest{Process: wasmtest.Add32}.Build(), Malformed, "the stack is empty"},
		{"too large", make([]byte, MaxSize+1), TooLarge, "16 MiB"},
	}
	r := openRuntime(t, "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := r.Load(t.Context(), Source{Name: "mod", Path: "mod.wasm", Bytes: tt.bytes})
			var le *LoadError
			if !errors.As(err, &le) {
				t.Fatalf("loaded %v, %v; want a LoadError", m, err)
			}
			if le.Kind != tt.kind || !strings.Contains(le.Error(), tt.detail) {
				t.Errorf("kind %d, %q\nwant kind %d with %q", le.Kind, le, tt.kind, tt.detail)
			}
			if !strings.HasPrefix(le.Error(), `module "mod" (mod.wasm): `) || strings.Contains(le.Error(), "\n") {
				t.Errorf("%q is not one sentence that names the module", le)
			}
		})
	}
}

func TestLoadFromFile(t *testing.T) {
	dir := t.TempDir()
	r := openRuntime(t, filepath.Join(dir, "cache"))
	path := filepath.Join(dir, "m.wasm")
	wantKind := func(path string, kind LoadKind) {
		t.Helper()
		_, err := r.Load(t.Context(), Source{Name: "m", Path: path})
		var le *LoadError
		if !errors.As(err, &le) || le.Kind != kind {
			t.Errorf("%s: %v, want kind %d", path, err, kind)
		}
	}
	wantKind(path, NotFound)
	wantKind(dir, NotFound)
	big := filepath.Join(dir, "big.wasm")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, MaxSize+1); err != nil {
		t.Fatal(err)
	}
	wantKind(big, TooLarge)

	if err := os.WriteFile(path, wasmtest.Guest{}.Build(), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := r.Load(t.Context(), Source{Name: "m", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Describe(); len(d.Handlers) != 1 || d.Handlers[0].Name != "h" || d.Language != "wasm" {
		t.Errorf("describes itself as %+v", d)
	}
	if len(m.SHA256()) != 64 || m.Size() == 0 || m.Name() != "m" || len(m.Outline().Exports) != 5 {
		t.Errorf("sha256 %q, size %d, name %q, exports %v", m.SHA256(), m.Size(), m.Name(), m.Outline().Exports)
	}
}

func TestLoadGrantsCapability(t *testing.T) {
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "wall_clock", Sig: ">I"}},
		// The lowest byte of the clock is the reply's length.
		Process: wasmtest.Join(wasmtest.Finish(wasmtest.Count()), wasmtest.Call(0)),
	}
	m := load(t, Source{Bytes: g.Build(), Nondeterministic: true})
	s := openSlot(t, m, bind("h"), Hooks{WallClock: func() int64 { return int64(wasmtest.ArenaAt)<<32 | 3 }})
	reply, _, err := process(t, s, 1)
	if err != nil || len(reply) != 3 {
		t.Errorf("reply % x, %v", reply, err)
	}
}

func TestLoadIsRefusedByAClosedRuntime(t *testing.T) {
	r, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Load(t.Context(), Source{Name: "m", Bytes: wasmtest.Guest{}.Build()}); !errors.Is(err, ErrClosed) {
		t.Errorf("load answers %v", err)
	}
}

func TestModuleIsNotClosedUnderASlot(t *testing.T) {
	m := load(t, Source{Bytes: wasmtest.Guest{}.Build()})
	s, err := m.Open(t.Context(), bind("h"), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "1 of its slots") {
		t.Errorf("close answers %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Errorf("close answers %v", err)
	}
	if _, _, err := process(t, s, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed slot answers %v", err)
	}
}

func TestEveryImportOfTheABIExists(t *testing.T) {
	for _, f := range abi.Imports {
		h := sliphostV1.find(f.Name)
		if h == nil || h.do == nil {
			t.Errorf("no function %s", f.Name)
		}
	}
	if len(wasi.funcs) != 46 {
		t.Errorf("%d functions of WASI preview 1, it has 46", len(wasi.funcs))
	}
}

func TestCacheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cache")
	b := wasmtest.Guest{}.Build()
	m1, err := openRuntime(t, dir).Load(t.Context(), Source{Name: "m", Bytes: b})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Fatalf("cache directory: %v, %v", st.Mode(), err)
	}
	entries, err := filepath.Glob(filepath.Join(dir, m1.cacheKey(), "*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("cache entries %v, %v", entries, err)
	}

	t.Run("damaged entry", func(t *testing.T) {
		code, err := os.ReadFile(entries[0])
		if err != nil {
			t.Fatal(err)
		}
		code[len(code)/2] ^= 0x55
		if err := os.WriteFile(entries[0], code, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := openRuntime(t, dir).Load(t.Context(), Source{Name: "m", Bytes: b})
		if err != nil {
			t.Fatal(err)
		}
		s := openSlot(t, m, bind("h"), Hooks{})
		if _, done, err := process(t, s, 3); done != 3 || err != nil {
			t.Errorf("done %d, %v", done, err)
		}
		if _, err := os.Stat(entries[0]); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the damaged entry is still there: %v", err)
		}
	})
	t.Run("cannot be written", func(t *testing.T) {
		blocked := filepath.Join(t.TempDir(), "cache")
		r := openRuntime(t, blocked)
		// A file where the module's directory would be.
		if err := os.WriteFile(filepath.Join(blocked, m1.SHA256()), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Load(t.Context(), Source{Name: "m", Bytes: b}); err != nil {
			t.Error(err)
		}
	})
	for _, mode := range []os.FileMode{0o770, 0o707, 0o777} {
		t.Run("mode "+mode.String(), func(t *testing.T) {
			open := t.TempDir()
			if err := os.Chmod(open, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), Config{CacheDir: open}); err == nil || !strings.Contains(err.Error(), "writable by other users") {
				t.Errorf("opened: %v", err)
			}
		})
	}
	t.Run("not a directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Config{CacheDir: file}); err == nil {
			t.Error("opened")
		}
	})
	t.Run("of another user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a directory away")
		}
		other := t.TempDir()
		if err := os.Chown(other, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Config{CacheDir: other}); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
			t.Errorf("opened: %v", err)
		}
	})
}
