package main

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
	"github.com/sliphost/sliphost/sdk/go/sdktest/model"
)

func TestRandomCasesAreAsTheModelSays(t *testing.T) {
	for _, handler := range model.Handlers {
		t.Run(handler, func(t *testing.T) {
			draw := model.Cases(handler)
			rapid.Check(t, func(r *rapid.T) {
				c := draw.Draw(r, "case")
				for _, mode := range cases.Modes {
					if diffs := cases.Try(c, mode, cases.Native(t, c)); len(diffs) > 0 {
						r.Fatalf("%s, params %v:\n%s", mode, c.Params, strings.Join(diffs, "\n"))
					}
				}
			})
		})
	}
}

func TestMoreThanARecordCloses(t *testing.T) {
	for _, handler := range model.Handlers {
		c := model.Crowd(handler)
		t.Run(handler, func(t *testing.T) {
			cases.Run(t, c, func(t *testing.T, c *cases.Case) cases.Guest { return cases.Native(t, c) })
		})
	}
}

func TestCasesNatively(t *testing.T) {
	all, err := cases.Load("../../testdata/windows")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		c := &all[i]
		t.Run(c.Handler+"/"+c.Name, func(t *testing.T) {
			cases.Run(t, c, func(t *testing.T, c *cases.Case) cases.Guest { return cases.Native(t, c) })
		})
	}
}
