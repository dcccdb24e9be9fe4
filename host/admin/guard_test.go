package admin

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

const secret = "4e1f0b6c2d7a9385"

func guarded(t *testing.T, address string) (*Server, []side) {
	s := start(t, func(c *Config) { c.HTTP, c.Token = address, secret })
	return s, sides(t, s)
}

func bearer(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }

func TestATokenIsAskedFor(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		s, both := guarded(t, address)
		over := both[1]
		if address[0] == '0' { // a wildcard is reached by any address of the machine
			over.base = "http://127.0.0.1" + s.Address()[strings.LastIndex(s.Address(), ":"):]
		}
		for _, r := range routes {
			path := strings.Replace(r.path, "{cache}", "seen", 1)
			if a := over.do(t, "GET", path, nil); a.status != 401 || a.header.Get("WWW-Authenticate") == "" || a.header.Get("Content-Type") != problemType || strings.Contains(a.body, secret) {
				t.Errorf("%s %s without a token: %d %s", address, path, a.status, a.body)
			}
		}
		for _, header := range []string{"Bearer", "Bearer ", "Bearer x", "Bearer " + secret[1:], "Bearer " + secret + "x", "Basic " + secret, secret, "Bearer " + strings.ToUpper(secret), "Bearer\t" + secret} {
			if a := over.do(t, "GET", "/v1/status", func(r *http.Request) { r.Header.Set("Authorization", header) }); a.status != 401 {
				t.Errorf("%q: %d", header, a.status)
			}
		}
		if a := over.do(t, "GET", "/v1/status", func(r *http.Request) {
			r.Header.Add("Authorization", "Bearer "+secret)
			r.Header.Add("Authorization", "Bearer x")
		}); a.status != 401 {
			t.Errorf("two headers: %d", a.status)
		}
		if a := over.do(t, "GET", "/v1/status?token="+secret, nil); a.status != 401 {
			t.Errorf("in the query: %d", a.status)
		}
		for _, header := range []string{"Bearer " + secret, "bearer  " + secret} {
			if a := over.do(t, "GET", "/v1/status", func(r *http.Request) { r.Header.Set("Authorization", header) }); a.status != 200 {
				t.Errorf("%q: %d %s", header, a.status, a.body)
			}
		}
		// What handlers keep is shown to those who have it, and on the socket.
		if a := over.do(t, "GET", "/v1/caches/none/updates", bearer); a.status != 404 || !strings.Contains(a.body, "no cache") {
			t.Errorf("updates with the token: %d %s", a.status, a.body)
		}
		if a := both[0].do(t, "GET", "/v1/status", nil); a.status != 200 {
			t.Errorf("on the socket: %d", a.status)
		}
	}
}

func TestNoTokenNoCachesOverHTTP(t *testing.T) {
	both := sides(t, start(t, nil))
	for _, path := range []string{"/v1/caches", "/v1/caches/entries?cache=a", "/v1/caches/a/updates"} {
		if a := both[1].do(t, "GET", path, nil); a.status != 404 || strings.Contains(a.body, "/v1/caches/entries ") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	_, both := guarded(t, "127.0.0.1:0")
	for _, c := range both {
		host := strings.TrimPrefix(c.base, "http://")
		for name, test := range map[string]struct {
			change func(*http.Request)
			status int
		}{
			"foreign origin": {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
			"null origin":    {func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
			"other port":     {func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
			"a file's":       {func(r *http.Request) { r.Header.Set("Origin", "file://"+host) }, 403},
			"a name with it": {func(r *http.Request) { r.Header.Set("Origin", "http://"+host+".evil.example") }, 403},
			"two origins":    {func(r *http.Request) { r.Header.Add("Origin", "http://"+host); r.Header.Add("Origin", "http://"+host) }, 403},
			"an image":       {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
			"a neighbour":    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
			"its own page": {func(r *http.Request) {
				r.Header.Set("Origin", "http://"+host)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
			}, 200},
			"typed in the bar": {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, 200},
		} {
			a := c.do(t, "GET", "/v1/status", func(r *http.Request) { bearer(r); test.change(r) })
			if a.status != test.status || a.status == 403 && a.header.Get("Content-Type") != problemType {
				t.Errorf("%s, %s: %d %s", c.name, name, a.status, a.body)
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s, %s: other origins may read it", c.name, name)
			}
		}
	}
	// The token does not open a loopback address to other names.
	if a := both[1].do(t, "GET", "/v1/status", func(r *http.Request) { bearer(r); r.Host = "evil.example" }); a.status != 403 {
		t.Errorf("another name: %d", a.status)
	}
}

func TestNothingIsDoneByAsking(t *testing.T) {
	_, both := guarded(t, "127.0.0.1:0")
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		for _, r := range routes {
			if a := both[1].do(t, method, strings.Replace(r.path, "{cache}", "seen", 1), bearer); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, r.path, a.status)
			}
		}
	}
}

func TestOnlyTheUserMayOpenTheSocket(t *testing.T) {
	s := start(t, nil)
	info, err := os.Stat(SocketPath(s.config.StateDir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
