package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// route is a path and how it is answered. Every path is for reading: GET and
// HEAD are all there is.
type route struct {
	path   string
	answer func(*Server, http.ResponseWriter, *http.Request)
	// private paths show what handlers keep.
	private bool
}

// routes are all paths.
var routes = [...]route{
	{"/metrics", func(s *Server, w http.ResponseWriter, r *http.Request) { s.config.Metrics.ServeHTTP(w, r) }, false},
	{"/healthz", (*Server).health, false},
	{"/readyz", (*Server).ready, false},
	{"/v1/status", (*Server).showStatus, false},
	{"/v1/checkpoints", (*Server).showCheckpoints, true},
	{"/v1/caches", (*Server).showCaches, true},
	{"/v1/caches/entries", (*Server).showEntries, true},
	{"/v1/caches/{cache}/updates", (*Server).streamUpdates, true},
}

// paths lists them for people: all, or those that are not private.
func paths(private bool) string {
	var all []string
	for _, r := range routes {
		if private || !r.private {
			all = append(all, r.path)
		}
	}
	return strings.Join(all, " ")
}

// handler answers every path to those whom g lets pass.
func (s *Server) handler(g *guard) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		if r.private && !g.private() {
			continue
		}
		mux.HandleFunc("GET "+r.path, func(w http.ResponseWriter, req *http.Request) { r.answer(s, w, req) })
		mux.HandleFunc(r.path, refuseMethod)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, &Problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is nothing at %s; there are %s", r.URL.Path, paths(g.private()))})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if p := g.refuse(w, r); p != nil {
			writeProblem(w, p)
			return
		}
		if r.ContentLength > maxBody {
			writeProblem(w, &Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("no request here needs a body, and none may have more than %d bytes", maxBody)})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

func refuseMethod(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	writeProblem(w, &Problem{Status: http.StatusMethodNotAllowed, Detail: fmt.Sprintf("%s can only be read, with GET or HEAD", r.URL.Path)})
}

// health says that the process answers, whatever the workers do.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }

// ready says whether all workers run.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	reasons := s.unready()
	if len(reasons) == 0 {
		writeText(w, "ready\n")
		return
	}
	writeProblem(w, &Problem{
		Status: http.StatusServiceUnavailable, Title: "Not ready",
		Detail: strings.Join(reasons, "; "), Reasons: reasons,
	})
}

func (s *Server) showStatus(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", s.status())
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // whoever hung up needs no answer
}

// writeJSON answers with a document. What cannot be encoded is a mistake of
// this package, and told as such.
func writeJSON(w http.ResponseWriter, status int, contentType string, doc any) {
	body, err := json.Marshal(doc)
	if err != nil {
		http.Error(w, "encode the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
