package module

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// engineKinds maps the engine's words to kinds.
var engineKinds = []struct {
	text string
	kind TrapKind
}{
	{"wasm error: unreachable", TrapUnreachable},
	{"wasm error: out of bounds memory access", TrapOutOfBounds},
	{"wasm error: integer divide by zero", TrapDivide},
	{"wasm error: integer overflow", TrapOverflow},
	{"wasm error: invalid conversion to integer", TrapConversion},
	{"wasm error: invalid table access", TrapTable},
	{"wasm error: indirect call type mismatch", TrapCallType},
	{"wasm error: stack overflow", TrapStack},
	{"stack overflow", TrapStack},
}

const stackMark = "wasm stack trace:"

// explain turns the error of a call into one of this package's. The message of
// the engine never passes through: it may hold a stack of the host.
func (in *instance) explain(err error, export, function string) error {
	var known *InitError
	if errors.As(err, &known) {
		return known
	}
	in.print.endCall(true)
	m := in.module
	var f *fault
	isFault := errors.As(err, &f)
	if isFault && f.broken {
		return &BrokenError{Module: m.name, Export: export, What: f.detail}
	}
	t := &TrapError{Module: m.name, Function: function, Export: export, Kind: TrapOther, Guilty: -1}
	text := err.Error()
	t.Stack = wasmStack(text)
	switch {
	case isFault:
		t.Kind, t.Message, t.ExitCode, t.Limit = f.kind, f.detail, f.code, f.limit
	case errors.Is(err, errNoMemory):
		t.Message = err.Error()
	case strings.Contains(text, "(recovered by wazero)"):
		// Not a guest's doing: a host function or the engine failed.
		t.Kind = TrapHost
		t.Message = firstLine(text)
		m.runtime.log.Error("module: a call into a guest failed in the host", "module", m.name, "export", export, "error", text)
	default:
		for _, k := range engineKinds {
			if strings.HasPrefix(text, k.text) {
				t.Kind = k.kind
				break
			}
		}
		if t.Kind == TrapOther {
			t.Message = firstLine(text)
		}
	}
	in.addAccount(t)
	return t
}

// addAccount adds what the guest said before it trapped.
func (in *instance) addAccount(t *TrapError) {
	switch t.Kind {
	case TrapUnreachable, TrapExit:
	default:
		if t.Kind != TrapOutput && t.Kind != TrapPointer && t.Kind != TrapMisuse {
			t.Location = sourceLine(t.Stack)
		}
		return
	}
	if in.linear.refused {
		t.Kind = TrapMemory
		t.Limit = &LimitError{Limit: LimitMemory, Value: in.module.limits.Memory}
	}
	switch {
	case len(in.print.message) > 0:
		// The import panic: message, and where it happened if the SDK knows.
		t.Message, t.Location = readPanic(string(in.print.message))
		t.Message, t.Location = cleanString(t.Message, maxMessage), cleanString(t.Location, maxMessage)
	case len(in.print.account) > 0:
		account := string(in.print.said())
		t.Message, t.Location = readGoPanic(account)
		t.Message = cleanString(t.Message, maxMessage)
		t.Stack = cleanLines(account)
	default:
		t.Location = sourceLine(t.Stack)
		return
	}
	if t.Kind != TrapMemory {
		t.Kind = TrapPanic
	}
}

// wasmStack is the part of the engine's message that lists the guest's frames.
func wasmStack(text string) string {
	_, after, ok := strings.Cut(text, stackMark)
	if !ok {
		return ""
	}
	if i := strings.Index(after, "\n\n"); i >= 0 {
		after = after[:i]
	}
	var b strings.Builder
	for line := range strings.Lines(after) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(cleanString(strings.TrimPrefix(line, "."), maxLine))
			b.WriteByte('\n')
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func cleanLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		b.WriteString(line[:indent])
		b.WriteString(cleanString(line[indent:], maxLine))
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(s, " (recovered by wazero)")
}

var sourceRE = regexp.MustCompile(`([^\s:()]+\.(?:go|rs)):(\d+)`)

// sourceLine returns the first file:line in text that is not the language's
// own library.
func sourceLine(text string) string {
	for _, m := range sourceRE.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "/rustc/") && !strings.Contains(m[1], "/library/core/") && !strings.Contains(m[1], "/library/std/") {
			return m[1] + ":" + m[2]
		}
	}
	return ""
}

// panicRE is how the text given to the import panic ends: with its place.
var panicRE = regexp.MustCompile(`^(?s:(.*)): (\S+?:\d+)(?::\d+)?$`)

// readPanic reads the text given to the import panic.
func readPanic(text string) (message, location string) {
	if m := panicRE.FindStringSubmatch(text); m != nil {
		return m[1], m[2]
	}
	return text, sourceLine(text)
}

// sdkPaths begin the functions of the Go SDK, whose frames are between the
// runtime's and the handler's.
var sdkPaths = []string{"github.com/sliphost/sliphost/sdk/go.", "github.com/sliphost/sliphost/abi."}

// readGoPanic reads what Go's runtime prints before it exits: the message up
// to an empty line, then the frames of the goroutine, two lines each. The
// location is the first frame outside the standard library and the SDK.
func readGoPanic(account string) (message, location string) {
	lines := strings.Split(account, "\n")
	said := 0
	for said < len(lines) && lines[said] != "" && !strings.HasPrefix(lines[said], "[signal ") {
		said++
	}
	message = strings.ReplaceAll(strings.Join(lines[:said], "\n"), "\n\t", "\n")
	for _, p := range []string{"panic: ", "fatal error: "} {
		message = strings.TrimPrefix(message, p)
	}
	// The same value panicked twice: what counts is said once.
	message = strings.TrimSuffix(message, " [recovered, repanicked]")
	message = strings.TrimSuffix(message, " [recovered]")
	for i := said; i+1 < len(lines); i++ {
		function, where := lines[i], lines[i+1]
		if !strings.HasPrefix(where, "\t") || strings.HasPrefix(function, "created by ") {
			continue
		}
		m := sourceRE.FindStringSubmatch(where)
		if m == nil || fromLibrary(function, m[1]) {
			continue
		}
		return message, m[1] + ":" + m[2]
	}
	return message, ""
}

// fromLibrary says whether a frame is the standard library's or the SDK's.
func fromLibrary(function, file string) bool {
	for _, p := range sdkPaths {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	if strings.HasPrefix(function, "panic(") {
		return true
	}
	// The package's path ends at the first dot behind its last slash; receivers
	// and arguments follow.
	name, _, _ := strings.Cut(function, "(")
	slash := strings.LastIndexByte(name, '/') + 1
	last, _, _ := strings.Cut(name[slash:], ".")
	pkg := name[:slash] + last
	first, _, _ := strings.Cut(pkg, "/")
	// A file of package strings is GOROOT/src/strings/builder.go, or
	// strings/builder.go if paths are trimmed.
	return slices.Contains(goLibrary, first) &&
		(strings.Contains(file, "/src/"+pkg+"/") || strings.HasPrefix(file, pkg+"/"))
}

// goLibrary holds the first elements of the standard library's package paths.
var goLibrary = []string{
	"archive", "bufio", "bytes", "cmp", "compress", "container", "context",
	"crypto", "database", "debug", "embed", "encoding", "errors", "expvar",
	"flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io",
	"iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin",
	"reflect", "regexp", "runtime", "slices", "sort", "strconv", "strings",
	"structs", "sync", "syscall", "testing", "text", "time", "unicode",
	"unique", "unsafe", "vendor", "weak",
}
