package manifest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseInt reads an integer as TOML writes it.
func parseInt(s string) (int64, error) {
	clean, err := ungroup(s)
	if err != nil {
		return 0, err
	}
	base := 10
	if len(clean) > 2 && clean[0] == '0' {
		switch clean[1] {
		case 'x':
			base, clean = 16, clean[2:]
		case 'o':
			base, clean = 8, clean[2:]
		case 'b':
			base, clean = 2, clean[2:]
		}
	}
	n, err := strconv.ParseInt(clean, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("is larger than 64 bits")
	}
	if err != nil {
		return 0, errors.New("is not an integer")
	}
	return n, nil
}

// parseFloat reads a floating-point number as TOML writes it, or an integer.
func parseFloat(s string) (float64, error) {
	switch s {
	case "inf", "+inf":
		return math.Inf(1), nil
	case "-inf":
		return math.Inf(-1), nil
	case "nan", "+nan", "-nan":
		return math.NaN(), nil
	}
	clean, err := ungroup(s)
	if err != nil {
		return 0, err
	}
	// ParseFloat knows words and hexadecimal forms that TOML does not.
	if strings.Trim(clean, "0123456789+-.eE") != "" {
		return 0, errors.New("is not a number")
	}
	f, err := strconv.ParseFloat(clean, 64)
	if err != nil {
		return 0, errors.New("is not a number")
	}
	return f, nil
}

// ungroup removes the underscores that TOML allows between digits.
func ungroup(s string) (string, error) {
	if !strings.Contains(s, "_") {
		return s, nil
	}
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !isHexDigit(s[i-1]) || !isHexDigit(s[i+1])) {
			return "", errors.New("has an underscore that is not between digits")
		}
	}
	return strings.ReplaceAll(s, "_", ""), nil
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// parseDuration reads a positive duration with a unit, as Go writes it, or a
// number of days such as "7d".
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > int64(math.MaxInt64/(24*time.Hour)) {
			return 0, errors.New("is not a duration")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("is not a duration")
	}
	return d, nil
}

// formatDuration writes a duration without the zero parts that Go appends.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// sizeUnits lists the units of sizes, the longest suffix first.
var sizeUnits = [...]struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

// parseSize reads a whole number of bytes with a unit.
func parseSize(s string) (int64, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 63)
		if err != nil {
			return 0, errors.New("is not a size")
		}
		if int64(n) > math.MaxInt64/u.bytes {
			return 0, errors.New("is larger than 64 bits")
		}
		return int64(n) * u.bytes, nil
	}
	return 0, errors.New("is not a size")
}

// formatSize writes a size with the largest binary unit that divides it, else
// the largest decimal one.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 && (u.bytes&(u.bytes-1) == 0) && u.bytes > 1 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.suffix)
		}
	}
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 && u.bytes%10 == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.suffix)
		}
	}
	return fmt.Sprintf("%dB", n)
}
