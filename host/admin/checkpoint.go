package admin

import "net/http"

func (s *Server) showCheckpoints(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", s.config.Host.Checkpoints())
}
