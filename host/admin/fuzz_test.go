package admin

import (
	"regexp"
	"testing"
)

// FuzzHostName tries to get a name past the check that is not one of this
// machine's.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"localhost", "LOCALHOST.:1", "127.0.0.1:80", "[::1]:9797", "[::1]", "::1", "evil.example", "localhost.evil.example", "[localhost]", "127.0.0.1@evil", "", ":", "[", "[]", "[::1"} {
		f.Add(s)
	}
	allowed := allowedHosts("127.0.0.2:9797")
	mine := regexp.MustCompile(`(?i)^(\[?(localhost|127\.0\.0\.[12]|::1)\.?\]?)(:[^:]*)?$`)
	f.Fuzz(func(t *testing.T, header string) {
		if allowed[hostName(header)] && !mine.MatchString(header) {
			t.Errorf("%q is taken for %q", header, hostName(header))
		}
	})
}
