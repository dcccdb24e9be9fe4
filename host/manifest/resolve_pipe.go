package manifest

import (
	"slices"
	"strconv"
	"strings"
)

// stage is one function of a pipe.
type stage struct {
	module      string
	moduleIndex int
	function    string
	pos         Position
}

// pipe checks a handler's pipe.
func (d *decoder) pipe(h *Handler, path []string, u *uses) {
	path = join(path, "pipe")
	for i, text := range h.pipe {
		if s, ok := d.stage(h, text, join(path, strconv.Itoa(i))); ok {
			u.module[s.moduleIndex]++
		} else {
			u.brokenModule = true
		}
	}
}

// stage reads one entry of a pipe; ok is false when it was reported.
func (d *decoder) stage(h *Handler, text string, path []string) (s stage, ok bool) {
	s = stage{module: h.Module, moduleIndex: h.ModuleIndex, function: text, pos: d.doc.place(path).val.pos()}
	shown := ": " + quoteName(text)
	if d.doc.origins[pathKey(path)].secret {
		shown = ""
	}
	module, function, other := strings.Cut(text, ":")
	if other {
		s.module, s.function, s.moduleIndex = module, function, d.m.ModuleIndex(module)
	}
	if s.function == "" {
		d.reportAt(CodePipe, path, "the pipe of the handler "+quoteName(h.ID)+" has an entry without a function"+shown, `write "FUNCTION" or "MODULE:FUNCTION"`)
		return s, false
	}
	if s.moduleIndex < 0 {
		switch {
		case !other: // The handler's own was reported there.
		case shown == "":
			d.reportAt(CodeUnknownModule, path, "there is no such module", "")
		default:
			var ids []string
			for _, o := range d.m.Modules {
				ids = append(ids, o.ID)
			}
			d.reportAt(CodeUnknownModule, path, "there is no module "+quoteName(module), didYouMean(module, ids, "modules"))
		}
		return s, false
	}
	return s, true
}

// pipes puts the functions of pipes as handlers of their own before those that
// have them, joined by proxies. Sources, pipe and on_error stay what the
// manifest says of the handler.
func (d *decoder) pipes() {
	if d.findings.Fatal() != nil || !slices.ContainsFunc(d.m.Handlers, func(h Handler) bool { return len(h.pipe) > 0 }) {
		return
	}
	var all []Handler
	for _, h := range d.m.Handlers {
		sources := h.Sources
		taken := map[string]bool{}
		for i, text := range h.pipe {
			s, _ := d.stage(&h, text, []string{"handler", h.ID, "pipe", strconv.Itoa(i)})
			id := h.ID + "|" + s.function
			for n := 2; taken[id]; n++ {
				id = h.ID + "|" + s.function + "#" + strconv.Itoa(n)
			}
			taken[id] = true
			out := Endpoint{Kind: EndpointProxy, Text: id, Index: len(d.m.Proxies), Pos: s.pos}
			d.m.Proxies = append(d.m.Proxies, Proxy{ID: id, Pipe: true})
			all = append(all, Handler{
				ID: id, Of: h.ID, Stage: i, Module: s.module, ModuleIndex: s.moduleIndex, Function: s.function,
				Sources: sources, Sinks: []Sink{{Name: id, Endpoint: out}}, OnError: h.OnError,
			})
			sources = []Endpoint{out}
		}
		h.Sources = sources
		all = append(all, h)
	}
	d.m.Handlers = all
}
