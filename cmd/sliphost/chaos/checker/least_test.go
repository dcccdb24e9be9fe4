package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// least is a run at least once whose last outputs came again.
func least(t *testing.T) *Run {
	t.Helper()
	r := newWorld(11, 400, 9).clone()
	r.Delivery, r.Handlers, r.Changelogs, r.Stores, r.Dead, r.MustAbort = AtLeastOnce, []string{Pass, Fan}, nil, nil, nil, false
	for _, h := range r.Handlers {
		for p, recs := range r.Outputs[h].Parts {
			for _, again := range slices.Clone(recs[len(recs)/2:]) {
				again.Offset += 1 << 20
				again.Writer = Writer{}
				r.Outputs[h].Parts[p] = append(r.Outputs[h].Parts[p], again)
			}
		}
	}
	for i := range r.Offsets {
		r.Offsets[i].Metadata = ""
	}
	return r
}

func TestAtLeastOnceMayRepeat(t *testing.T) {
	if found := check(t, least(t)); len(found) > 0 {
		t.Fatalf("repetitions are refused:\n%s", found.Report(5))
	}
}

func TestAtLeastOnceMayNotLoseOrOvertake(t *testing.T) {
	for name, tc := range map[string]struct {
		want []string
		do   func(r *Run)
	}{
		"both copies are lost": {[]string{"C1"}, func(r *Run) {
			noViews(r)
			for p, recs := range r.Outputs[Pass].Parts {
				last := string(recs[len(recs)-1].Value)
				r.Outputs[Pass].Parts[p] = slices.DeleteFunc(recs, func(rec Record) bool { return string(rec.Value) == last })
			}
		}},
		"the first copy overtakes": {[]string{"C3"}, func(r *Run) {
			noViews(r)
			swap(r.Outputs[Pass], 0, 1, 2)
		}},
		"offsets were committed before the outputs": {[]string{"C4"}, func(r *Run) {
			i := slices.IndexFunc(r.Watched, func(o Observation) bool { return o.Before[0] < o.After[0] })
			r.Watched[i].Before = r.Watched[i].After
		}},
		"an output is altered": {[]string{"C5"}, func(r *Run) {
			noViews(r)
			v := r.Outputs[Fan].Parts[0][0].Value
			for i, rec := range r.Outputs[Fan].Parts[0] {
				if string(rec.Value) == string(v) {
					r.Outputs[Fan].Parts[0][i].Value = append(slices.Clone(v), '0')
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := least(t)
			tc.do(r)
			found := check(t, r)
			if diff := cmp.Diff(tc.want, found.Checks()); diff != "" {
				t.Errorf("checks (- wanted, + found):\n%s%s", diff, found.Report(3))
			}
		})
	}
}

func TestWhatCannotBeJudgedIsAnError(t *testing.T) {
	for name, do := range map[string]func(r *Run){
		"a cache at least once":     func(r *Run) { r.Delivery = AtLeastOnce },
		"a handler of nobody":       func(r *Run) { r.Handlers = append(r.Handlers, "nobody") },
		"an output that is missing": func(r *Run) { delete(r.Outputs, Fan) },
		"a changelog not read":      func(r *Run) { delete(r.Changelogs, Hops) },
		"a damaged input":           func(r *Run) { r.Input.Parts[0][0].Value = []byte("1 1 - 00000000 pad") },
		"an id twice":               func(r *Run) { r.Input.Parts[0] = append(r.Input.Parts[0], r.Input.Parts[0][0]) },
	} {
		r := newWorld(5, 100, 5).clone()
		r.Handlers = slices.Clone(r.Handlers)
		do(r)
		if found, err := Check(r); err == nil {
			t.Errorf("%s is judged: %v", name, found)
		}
	}
}

func TestOutagesAreNoStall(t *testing.T) {
	r := newWorld(5, 100, 5).clone()
	r.Progress = []Progress{{0, 1, true}, {20 * time.Second, 1, true}, {25 * time.Second, 1, false}, {50 * time.Second, 1, true}, {54 * time.Second, 2, true}}
	if found := check(t, r); len(found) > 0 {
		t.Error(found.Report(3))
	}
}
