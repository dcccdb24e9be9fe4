package admin

import "net/http"

// problemType is the media type of a Problem.
const problemType = "application/problem+json"

// Problem is a request that got no answer, as RFC 9457 describes it. Its type
// is about:blank: the status says what kind of problem it is.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
	// Reasons are those of not being ready, one each.
	Reasons []string `json:"reasons,omitempty"`
}

// writeProblem answers with p; without a title it gets that of its status.
func writeProblem(w http.ResponseWriter, p *Problem) {
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	writeJSON(w, p.Status, problemType, p)
}
