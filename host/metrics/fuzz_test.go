package metrics

import (
	"bytes"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// FuzzGuest reports metrics under any names and kinds: a scrape must always
// succeed and be read back by a Prometheus parser.
func FuzzGuest(f *testing.F) {
	f.Add([]byte("0late\n1late\n2late\n2late_total"))
	f.Add([]byte("2size\n1size_sum\n0size_bucket\n1size_count"))
	f.Add([]byte("1size_sum\n2size\n0size_sum\n2size_sum_sum"))
	f.Add([]byte("0\n1\xff\xfe\n2{}\n1 \n9x"))
	f.Fuzz(func(t *testing.T, calls []byte) {
		r, err := New(Config{Host: func() Host { return Host{} }})
		if err != nil {
			t.Fatal(err)
		}
		for i, call := range bytes.Split(calls, []byte("\n")) {
			if len(call) > 0 {
				r.Guest([]string{"a", "b"}[i%2], GuestKind(int8(call[0]-'0')), call[1:], float64(i))
			}
		}
		if _, err := r.Gatherer().Gather(); err != nil {
			t.Fatal(err)
		}
		text := ours(t, r)
		parser := expfmt.NewTextParser(model.LegacyValidation)
		if _, err := parser.TextToMetricFamilies(bytes.NewReader([]byte(text))); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	})
}
