package meter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/host/module/wasm/meter"
)

var (
	errStack = errors.New("out of stack")
	errFuel  = errors.New("out of fuel")
)

// account is the host's side of the fuel: quantum is put in at each tick until
// budget is used up; 0 is without end.
type account struct {
	quantum, budget int64
	used, last      int64
	ticks           int
}

// offerTick offers the module that metered modules import. Without an account
// there is always more.
func offerTick(t testing.TB, ctx context.Context, rt wazero.Runtime, a *account) {
	t.Helper()
	if a == nil {
		a = &account{}
	}
	if a.quantum == 0 {
		a.quantum = 100_000
	}
	_, err := rt.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			if int64(m.ExportedGlobal(meter.Stack).Get()) < 0 {
				panic(errStack)
			}
			a.ticks++
			a.settle(m)
			q := a.quantum
			if a.budget > 0 {
				if a.used > a.budget {
					panic(errFuel)
				}
				q = min(q, a.budget-a.used)
			}
			a.last = q
			m.ExportedGlobal(meter.Fuel).(api.MutableGlobal).Set(uint64(q))
		}), nil, nil).Export(meter.Tick).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
}

// settle counts what was used since the last tick.
func (a *account) settle(m api.Module) {
	now := int64(m.ExportedGlobal(meter.Fuel).Get())
	a.used += a.last - now
	a.last = now
}
