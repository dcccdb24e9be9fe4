package cron

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	v, err := time.ParseInLocation("2006-01-02 15:04:05", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ expr, zone, from, want string }{
		{"*/5 * * * *", "UTC", "2026-01-31 23:55:00", "2026-02-01 00:00:00"},
		{"*/5 * * * *", "UTC", "2026-01-31 23:54:59", "2026-01-31 23:55:00"},
		{"0 */5 * * *", "UTC", "2026-01-31 15:00:00", "2026-01-31 20:00:00"},
		{"0 0 29 2 *", "UTC", "2026-01-31 15:00:00", "2028-02-29 00:00:00"},
		{"0 0 29 feb mon", "UTC", "2026-02-02 00:00:00", "2026-02-09 00:00:00"}, // either of the two
		{"15,45 8-10/2 * * mon-fri", "UTC", "2026-11-27 10:45:00", "2026-11-30 08:15:00"},
		{"0 0 * * 7", "UTC", "2026-11-24 00:00:00", "2026-11-29 00:00:00"},
		{"@hourly", "UTC", "2026-11-24 00:00:01", "2026-11-24 01:00:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-30 02:30:00"}, // left out on the 29th
		{"0 3 * * *", "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-29 03:00:00"},
	} {
		s, err := Parse(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got, want := s.Next(at(t, c.zone, c.from)), at(t, c.zone, c.want); !got.Equal(want) {
			t.Errorf("%s after %s: %v, want %v", c.expr, c.from, got, want)
		}
	}
}

// An hour that comes twice has its times once, but a distance goes on.
func TestAnHourThatComesTwice(t *testing.T) {
	from := at(t, "Europe/Berlin", "2026-10-25 01:59:00")
	count := func(expr string, until time.Time) (n int) {
		s, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		for next := s.Next(from); next.Before(until); next = s.Next(next) {
			n++
		}
		return n
	}
	daily, err := Parse("30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := daily.Next(from), from.Add(31*time.Minute); !got.Equal(want) {
		t.Errorf("half past two is at %v, want %v", got, want)
	}
	until := from.Add(3 * time.Hour) // 03:59 on the wall
	if n := count("30 2 * * *", until); n != 1 {
		t.Errorf("half past two came %d times", n)
	}
	if n := count("*/10 * * * *", until); n != 18 {
		t.Errorf("every ten minutes came %d times in three hours", n)
	}
}

func TestParseRefuses(t *testing.T) {
	for expr, want := range map[string]string{
		"":              "0 fields",
		"* * * *":       "4 fields",
		"* * * * * *":   "6 fields",
		"60 * * * *":    `minute "60": want 0 to 59`,
		"* 24 * * *":    "hour",
		"* * 0 * *":     "day of month",
		"* * * 13 *":    "month",
		"* * * foo *":   `month "foo"`,
		"* * * * 8":     "day of week",
		"*/0 * * * *":   "step",
		"5-1 * * * *":   "ends before it begins",
		"a * * * *":     "minute",
		"-1 * * * *":    "minute",
		"1,,2 * * * *":  "minute",
		"0 0 30 2 *":    "no date ever matches",
		"@reboot":       "1 fields",
		"*/99 * * * *":  "step",
		"1-2-3 * * * *": "minute",
	} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
}

// Next is what looking at every minute gives.
func TestNextIsTheFirstMinuteThatMatches(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	pick := func(all ...string) string { return all[rnd.IntN(len(all))] }
	for range 300 {
		expr := strings.Join([]string{
			pick("*", "0", "*/7", "3,50", "10-20/3"), pick("*", "2", "*/6", "22-23"), pick("*", "*", "1", "31", "10-12"),
			pick("*", "*", "2", "jan,jul"), pick("*", "*", "1", "sat"),
		}, " ")
		s, err := Parse(expr)
		if err != nil {
			if !strings.Contains(err.Error(), "no date ever matches") { // 31st of February
				t.Fatal(expr, err)
			}
			continue
		}
		from := time.Date(2026, 1, 1, 0, 0, rnd.IntN(86400*700), 0, time.UTC)
		got := s.Next(from)
		want := from.Truncate(time.Minute).Add(time.Minute)
		for n := 0; n < 3_000_000 && !(s.date(want) && has(s.hour, want.Hour()) && has(s.minute, want.Minute())); n++ {
			want = want.Add(time.Minute)
		}
		if !got.Equal(want) {
			t.Fatalf("seed %d: %q after %v: %v, want %v", seed, expr, from, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"*/5 * * * *", "0 0 29 2 1-5", "@daily", "1,2-5/2 * * jan sun", "99999999999999999999 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		from := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
		next := s.Next(from)
		if !next.After(from) || next.Second() != 0 {
			t.Errorf("%q: %v after %v", text, next, from)
		}
	})
}
