package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// guard decides who is answered on one listener.
type guard struct {
	// socket: only who may open the socket's file gets here.
	socket bool
	// hosts are the names that a request may use, nil for any. A loopback
	// address has them: a web page whose own name was made to mean 127.0.0.1
	// sends that name. An address that others reach has names that the host does
	// not know, and its token, which no web page knows.
	hosts map[string]bool
	// token is the hash of what a request must show, nil for nothing.
	token *[sha256.Size]byte
}

// tokenSum is the hash of a token, so that a comparison takes equally long
// whatever is shown, its length included; nil for no token.
func tokenSum(token string) *[sha256.Size]byte {
	if token == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	return &sum
}

// private says that what handlers keep may be shown: not to any user of the
// machine who can connect to a loopback address.
func (g *guard) private() bool { return g.socket || g.token != nil }

// refuse says why a request is not answered, nil if it is.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request) *Problem {
	if g.hosts != nil && !g.hosts[hostName(r.Host)] {
		return &Problem{
			Status: http.StatusForbidden, Title: "Host not allowed",
			Detail: fmt.Sprintf("the request is for host %q; this address answers requests for localhost, 127.0.0.1 and [::1] only, so that no web page can read it under another name", r.Host),
		}
	}
	if origin, foreign := foreignOrigin(r); foreign {
		return &Problem{
			Status: http.StatusForbidden, Title: "Origin not allowed",
			Detail: fmt.Sprintf("the request comes from a web page of another origin (%s); only programs and pages of this address are answered", origin),
		}
	}
	if g.token != nil && !g.shown(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sliphost"`)
		return &Problem{Status: http.StatusUnauthorized, Detail: "the request does not show the token of [admin]: send the header `Authorization: Bearer TOKEN`, once"}
	}
	return nil
}

// shown says that the request has the token.
func (g *guard) shown(r *http.Request) bool {
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return false
	}
	scheme, token, ok := strings.Cut(all[0], " ")
	sum := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	return ok && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// foreignOrigin says whether a browser sent the request for a page of another
// origin. Browsers tell it by Origin, or by Sec-Fetch-Site where they send none.
func foreignOrigin(r *http.Request) (string, bool) {
	origins := r.Header.Values("Origin")
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) || u.Scheme != "http" && u.Scheme != "https" {
			return origin, true
		}
	}
	if len(origins) > 1 {
		return strings.Join(origins, ", "), true
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return "Sec-Fetch-Site: " + site, true
		}
	}
	return "", false
}
