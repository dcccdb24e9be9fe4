package chaos

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// crashPoints lists the names that the host's source gives to crashpoint.At,
// so that none is forgotten here.
func crashPoints(t *testing.T) []string {
	t.Helper()
	names, err := pointsBelow(filepath.Join(root, "host"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func pointsBelow(dir string) ([]string, error) {
	var names []string
	files := token.NewFileSet()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "At" || len(call.Args) != 1 {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "crashpoint" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				err = fmt.Errorf("%s: a crash point needs a literal name, so that the tests find it", files.Position(call.Pos()))
				return false
			}
			name, _ := strconv.Unquote(lit.Value)
			if slices.Contains(names, name) {
				err = fmt.Errorf("%s: a second crash point is named %s", files.Position(call.Pos()), name)
			}
			names = append(names, name)
			return true
		})
		return err
	})
	slices.Sort(names)
	return names, err
}
