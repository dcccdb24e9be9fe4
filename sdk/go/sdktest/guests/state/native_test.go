package main

import (
	"testing"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

func TestCasesNatively(t *testing.T) {
	all, err := cases.Load("../../testdata/state")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		c := &all[i]
		t.Run(c.Handler+"/"+c.Name, func(t *testing.T) {
			cases.Run(t, c, func(t *testing.T, c *cases.Case) cases.Guest {
				var options []sliptest.Option
				switch c.Handler {
				case "typed":
					for _, cache := range []string{"ints", "floats", "bools"} {
						options = append(options, sliptest.CacheKey(cache, cases.KeyType(cache)))
					}
				case "lookup":
					options = append(options, sliptest.GlobalCache("side"))
				}
				return cases.Native(t, c, options...)
			})
		})
	}
}
