package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCrashPointsAreRead(t *testing.T) {
	const head = "package x\nimport \"crashpoint\"\nfunc f(s string) {\n"
	for name, tc := range map[string]struct {
		body, err string
		want      []string
	}{
		"two":      {"crashpoint.At(\"b\"); if true { crashpoint.At(\"a\") }", "", []string{"a", "b"}},
		"none":     {"other.At(\"a\"); At(\"b\")", "", nil},
		"computed": {"crashpoint.At(s)", "literal", nil},
		"twice":    {"crashpoint.At(\"a\"); crashpoint.At(\"a\")", "second", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "deep", "x.go"), []byte(head+tc.body+"\n}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := pointsBelow(dir)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
