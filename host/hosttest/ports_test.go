package hosttest_test

import (
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/hosttest"
)

var (
	_ host.Consumer  = (*hosttest.Consumer)(nil)
	_ host.Producer  = (*hosttest.Producer)(nil)
	_ host.LogReader = (*hosttest.LogReader)(nil)
)
