package host

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/state"
)

func sameMeta(a, b offsetMeta) bool {
	return slices.Equal(a.inputs, b.inputs) && a.streamTime == b.streamTime && slices.Equal(a.logs, b.logs) && slices.Equal(a.attempts, b.attempts)
}

func TestOffsetMetaRoundTrip(t *testing.T) {
	for _, m := range []offsetMeta{
		{streamTime: -1},
		{inputs: []inputIdentity{{math.MaxUint32, math.MaxUint32}, {}}, streamTime: math.MaxInt64, logs: []cachePosition{{7, state.Position{Next: math.MaxInt64, Log: 9}}, {8, state.Position{}}}},
		{streamTime: math.MinInt64, attempts: []savedAttempt{{1, 2, 3, 4}, {math.MaxUint32, 0, 1 << 20, 1 << 20}}},
	} {
		text := m.encode()
		got, err := decodeMeta(text)
		if err != nil || !sameMeta(got, m) {
			t.Errorf("%+v became %q and %+v, %v", m, text, got, err)
		}
	}
}

// However many attempts there are, the text fits.
func TestOffsetMetaFits(t *testing.T) {
	m := offsetMeta{streamTime: math.MaxInt64}
	for i := range 40 {
		m.logs = append(m.logs, cachePosition{uint32(i), state.Position{Next: math.MaxInt64, Log: math.MaxUint32}})
	}
	for i := range 1000 {
		m.attempts = append(m.attempts, savedAttempt{math.MaxUint32, math.MaxUint32, 1 << 30, 1000 + i})
	}
	text := m.encode()
	got, err := decodeMeta(text)
	if err != nil || len(text) > metaRoom || !slices.Equal(got.logs, m.logs) || len(got.attempts) == 0 {
		t.Errorf("%d bytes, %d logs, %d attempts, %v", len(text), len(got.logs), len(got.attempts), err)
	}
}

func FuzzDecodeMeta(f *testing.F) {
	m := offsetMeta{inputs: []inputIdentity{{1, 2}}, streamTime: 2, logs: []cachePosition{{3, state.Position{Next: 4, Log: 5}}}, attempts: []savedAttempt{{6, 7, 8, 9}}}
	f.Add(m.encode())
	f.Add("")
	f.Add(metaPrefix)
	f.Add(metaPrefix + strings.Repeat("_", 100))
	f.Add("other")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decodeMeta(text)
		if err != nil {
			if m.inputs != nil || m.logs != nil || m.attempts != nil {
				t.Errorf("an error comes with %+v", m)
			}
			return
		}
		if len(m.attempts) > 100 {
			return // encode leaves some out
		}
		if again, err := decodeMeta(m.encode()); err != nil || !sameMeta(again, m) {
			t.Errorf("%q: %+v became %+v, %v", text, m, again, err)
		}
	})
}
