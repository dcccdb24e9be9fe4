package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// quote writes text as a TOML string that a manifest reads back as it is.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ReplaceAll(s, "${", "$${") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08X`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteName quotes a name for a sentence; control characters are escaped and
// a name that no one would read to the end is cut.
func quoteName(s string) string {
	const limit = 100
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return strconv.Quote(s)
}

// dotted writes a path as a TOML key.
func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = keyText(p)
	}
	return strings.Join(parts, ".")
}

// keyText writes one part of a key, quoted if TOML needs it.
func keyText(s string) string {
	bare := s != ""
	for _, c := range s {
		bare = bare && (c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if bare {
		return s
	}
	return strings.ReplaceAll(quote(s), "$${", "${")
}

// lineOf names a place in a sentence.
func lineOf(s span) string {
	p := s.pos()
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// secretName reports whether text names a client property that holds a
// secret: passwords, private keys, tokens, client secrets.
func secretName(text string) bool {
	text = strings.ToLower(text)
	if text == "token" {
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// userInfo says that text is an address with a password in it.
func userInfo(text string) bool {
	_, rest, ok := strings.Cut(text, "://")
	rest, _, _ = strings.Cut(rest, "/")
	name, _, at := strings.Cut(rest, "@")
	return ok && at && strings.Contains(name, ":")
}

var secretWords = [...]string{
	"password", "passwd", "passphrase", "secret", "token.value", "credential",
	".pem", "private", "jaas", "oauthbearer.config", "api_key", "api-key", "apikey", "authorization",
}

// nearest returns the candidate that s is most likely a misspelling of, or "".
func nearest(s string, candidates []string) string {
	best, limit := "", max(2, len(s)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(s), strings.ToLower(c), limit); d < limit {
			best, limit = c, d
		}
	}
	if limit >= max(len(best), len(s)) {
		return ""
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b; limit or more is reported as limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], limit)
}

// didYouMean makes a hint out of the nearest candidate, or lists the
// candidates when there are few and none is near.
func didYouMean(s string, candidates []string, what string) string {
	if n := nearest(s, candidates); n != "" {
		return "did you mean " + quoteName(n) + "?"
	}
	switch {
	case len(candidates) == 0:
		return ""
	case len(candidates) <= 12:
		return what + ": " + strings.Join(candidates, ", ")
	default:
		return ""
	}
}
