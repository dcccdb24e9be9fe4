package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/host"
)

func TestCachesAreReadOverTheSocket(t *testing.T) {
	s := start(t, nil)
	c := Dial(s.config.StateDir)
	caches, err := c.Caches(t.Context())
	if err != nil || len(caches) != 1 || caches[0].ID != "counts" || caches[0].Owned[0].Partition != 1 {
		t.Fatalf("%+v, %v", caches, err)
	}
	page, err := c.Inquire(t.Context(), &host.Inquiry{Cache: "counts", Partition: 1, From: []byte{3}, To: []byte{9}, Limit: 2})
	if err != nil || !page.More || len(page.Entries) != 2 || page.Entries[0].Key[0] != 3 || page.Entries[1].Value[1] != 4 {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = c.Inquire(t.Context(), &host.Inquiry{Cache: "counts", Partition: 1})
	if err != nil || page.More || len(page.Entries) != 10 {
		t.Fatalf("%+v, %v", page, err)
	}
}

func TestCachesThatCannotBeReadAreTold(t *testing.T) {
	socket := sides(t, start(t, nil))[0]
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/v1/caches/entries":                                  {http.StatusBadRequest, "name a cache"},
		"/v1/caches/entries?cache=c":                          {http.StatusNotFound, "no such cache"},
		"/v1/caches/entries?cache=counts":                     {http.StatusMisdirectedRequest, "not here"},
		"/v1/caches/entries?cache=counts&partition=2":         {http.StatusServiceUnavailable, "restored"},
		"/v1/caches/entries?cache=counts&partition=-1":        {http.StatusBadRequest, "partition"},
		"/v1/caches/entries?cache=counts&limit=0":             {http.StatusBadRequest, "limit"},
		"/v1/caches/entries?cache=counts&limit=10001":         {http.StatusBadRequest, "limit"},
		"/v1/caches/entries?cache=counts&from=%21":            {http.StatusBadRequest, "from"},
		"/v1/caches/entries?cache=counts&reverse=downwards":   {http.StatusBadRequest, "reverse"},
		"/v1/caches/entries?cache=counts&partition=1&from=Aw": {http.StatusOK, `"more":false`},
	} {
		if got := socket.do(t, http.MethodGet, path, nil); got.status != want.status || !strings.Contains(got.body, want.text) {
			t.Errorf("%s: %d %s, want %d and %q", path, got.status, got.body, want.status, want.text)
		}
	}
}

// Any user of the machine can connect to a loopback address; what handlers keep
// is not for them.
func TestCachesAreNotShownOnHTTP(t *testing.T) {
	tcp := sides(t, start(t, nil))[1]
	for _, path := range []string{"/v1/caches", "/v1/caches/entries?cache=counts&partition=1"} {
		if got := tcp.do(t, http.MethodGet, path, nil); got.status != http.StatusNotFound || strings.Contains(got.body, "caches ") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
