// Package cron reads the five fields of crontab(5) and finds the times they
// mean. It has no clock.
//
// A minute matches when minute, hour and month match, and day of month or day
// of week: where both are restricted one of them is enough, as in crontab(5).
// Times are those on the wall of a place. An hour that a change of the clocks
// leaves out has no minutes; of one that comes twice only the first counts,
// except that a schedule whose hour is "*" goes on through both, since it means
// a distance rather than a time.
package cron

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones mean the same on every machine
)

// Schedule is a parsed expression. The zero Schedule matches nothing.
type Schedule struct {
	minute, hour, day, month, weekday uint64 // a bit for each value
	// anyDay and anyWeekday say that the field begins with "*", anyHour that it
	// is all of "*".
	anyDay, anyWeekday, anyHour bool
}

// bounds of a field and the words it knows, the first one standing for first.
type bounds struct {
	name        string
	least, most int
	words       []string
	first       int
}

var fields = [5]bounds{
	{name: "minute", least: 0, most: 59},
	{name: "hour", least: 0, most: 23},
	{name: "day of month", least: 1, most: 31},
	{name: "month", least: 1, most: 12, words: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}, first: 1},
	{name: "day of week", least: 0, most: 7, words: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// macros are the words that stand for all five fields.
var macros = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
	"@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads an expression: minute, hour, day of month, month and day of week
// (0 or 7 is Sunday), each a list of *, N, N-M, or one of these with /STEP; or
// @hourly, @daily, @weekly, @monthly, @yearly. Names of months and days may be
// written with three letters. An expression that no date ever matches (30th of
// February) is an error.
func Parse(text string) (Schedule, error) {
	var s Schedule
	if full, ok := macros[strings.ToLower(strings.TrimSpace(text))]; ok {
		text = full
	}
	parts := strings.Fields(text)
	if len(parts) != len(fields) {
		return s, fmt.Errorf("%d fields instead of five: minute, hour, day of month, month, day of week", len(parts))
	}
	var sets [5]uint64
	for i, part := range parts {
		set, err := fields[i].parse(part)
		if err != nil {
			return s, err
		}
		sets[i] = set
	}
	s = Schedule{minute: sets[0], hour: sets[1], day: sets[2], month: sets[3], weekday: sets[4]}
	if s.weekday&(1<<7) != 0 { // 7 is Sunday, too
		s.weekday |= 1
	}
	s.anyDay, s.anyWeekday, s.anyHour = parts[2][0] == '*', parts[4][0] == '*', parts[1] == "*"
	// All calendars there are lie within 28 years and a century's leap.
	if s.Next(time.Date(2096, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, errors.New("no date ever matches")
	}
	return s, nil
}

// parse reads one field.
func (f *bounds) parse(text string) (set uint64, err error) {
	for _, item := range strings.Split(text, ",") {
		span, step, stepped := strings.Cut(item, "/")
		every := 1
		if stepped {
			if every, err = strconv.Atoi(step); err != nil || every < 1 || every > f.most {
				return 0, fmt.Errorf("%s %q: the step is no number from 1 to %d", f.name, item, f.most)
			}
		}
		from, to := f.least, f.most
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			if from, err = f.value(first); err != nil {
				return 0, err
			}
			switch {
			case ranged:
				if to, err = f.value(last); err != nil {
					return 0, err
				}
			case !stepped:
				to = from
			}
			if to < from {
				return 0, fmt.Errorf("%s %q ends before it begins", f.name, item)
			}
		} else if f.most == 7 {
			to = 6
		}
		for n := from; n <= to; n += every {
			set |= 1 << n
		}
	}
	return set, nil
}

// value reads a number or a name.
func (f *bounds) value(text string) (int, error) {
	for i, w := range f.words {
		if strings.EqualFold(w, text) {
			return f.first + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.least || n > f.most || text[0] == '+' || text[0] == '-' {
		return 0, fmt.Errorf("%s %q: want %d to %d", f.name, text, f.least, f.most)
	}
	return n, nil
}

func has(set uint64, n int) bool { return set&(1<<n) != 0 }

// date says whether the schedule has times on a date.
func (s *Schedule) date(t time.Time) bool {
	if !has(s.month, int(t.Month())) {
		return false
	}
	day, weekday := has(s.day, t.Day()), has(s.weekday, int(t.Weekday()))
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// horizon is how far Next looks: the longest gap between two 29ths of February
// on one day of the week.
const horizon = 41 * 366

// Next returns the first time after t that matches, in the location of t, or
// the zero time if there is none within 40 years.
func (s *Schedule) Next(t time.Time) time.Time {
	loc := t.Location()
	y, m, d := t.Date()
	for i := range horizon {
		noon := time.Date(y, m, d+i, 12, 0, 0, 0, time.UTC)
		if !s.date(noon) {
			continue
		}
		if at := s.within(noon, t, loc); !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// within returns the first time after t on a date, or the zero time.
func (s *Schedule) within(date, t time.Time, loc *time.Location) time.Time {
	y, m, d := date.Date()
	// From midnight on, minute by minute of what passes, not of what the wall
	// shows: a clock that is set forward or back shows up as a jump.
	begin := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if by, bm, bd := begin.Date(); by != y || bm != m || bd != d {
		begin = begin.Add(time.Hour) // this midnight was left out
	}
	begin = begin.Add(-time.Duration(begin.Minute()) * time.Minute)
	end := time.Date(y, m, d+1, 0, 0, 0, 0, loc)
	at := begin
	if t.After(at) {
		at = t.Truncate(time.Minute)
	}
	for ; at.Before(end); at = at.Add(time.Minute) {
		local := at.In(loc)
		if !at.After(t) || local.Day() != d || !has(s.hour, local.Hour()) || !has(s.minute, local.Minute()) {
			if local.Minute() == 0 && !has(s.hour, local.Hour()) && at.After(t) {
				at = at.Add(59 * time.Minute) // none in this hour
			}
			continue
		}
		if !s.anyHour && repeated(local) {
			continue
		}
		return at
	}
	return time.Time{}
}

// repeated says that the wall clock has shown the same before.
func repeated(local time.Time) bool {
	_, offset := local.Zone()
	for _, back := range [...]time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		_, before := local.Add(-back).Zone()
		if gap := time.Duration(before-offset) * time.Second; gap > 0 && back <= gap {
			return true
		}
	}
	return false
}
