package kafka_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sameBytes tells nil from empty, and does not look at large values byte by
// byte through reflection.
var sameBytes = cmp.Comparer(func(a, b []byte) bool {
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
})

// seeded returns a generator whose seed is printed, and taken from SEED if set.
func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("repeat with SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}
