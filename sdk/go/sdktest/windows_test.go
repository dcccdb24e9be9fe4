package sdktest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
	"github.com/sliphost/sliphost/sdk/go/sdktest/model"
)

func TestCasesOfTheGuestWindows(t *testing.T) { runCases(t, "windows") }

// TestRandomWindows compares compiled guests with the model. A case is repeated
// by its number.
func TestRandomWindows(t *testing.T) {
	for _, lang := range slices.Sorted(maps.Keys(languages)) {
		path := languages[lang](t, "windows")
		for _, handler := range model.Handlers {
			t.Run(lang+"/"+handler, func(t *testing.T) {
				draw := model.Cases(handler)
				for number := range 4 {
					c := draw.Example(number)
					modes := cases.Modes
					if number == 3 {
						// Fresh instances for a thousand records take long.
						c, modes = model.Crowd(handler), modes[:3]
					}
					for _, mode := range modes {
						g := startCase(t, lang+"-windows", path, c)
						if diffs := cases.Try(c, mode, g); len(diffs) > 0 {
							t.Fatalf("case %d, %s, params %v:\n%s", number, mode, c.Params, strings.Join(diffs, "\n"))
						}
					}
				}
			})
		}
	}
}
