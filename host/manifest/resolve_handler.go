package manifest

import (
	"slices"
	"strconv"
)

// uses counts who reads and writes what.
type uses struct {
	topicRead, topicWritten             []int
	proxyRead, proxyWritten             []int
	repartitionRead, repartitionWritten []int
	module, cache, cacheRead            []int
	fileRead, fileWritten               map[string]Position
	streams                             map[string]*Endpoint
	brokenSources, brokenSink           bool
	brokenModule, brokenCache           bool
}

func newUses(m *Manifest) *uses {
	return &uses{
		topicRead: make([]int, len(m.Topics)), topicWritten: make([]int, len(m.Topics)),
		proxyRead: make([]int, len(m.Proxies)), proxyWritten: make([]int, len(m.Proxies)),
		repartitionRead: make([]int, len(m.Repartitions)), repartitionWritten: make([]int, len(m.Repartitions)),
		module: make([]int, len(m.Modules)), cache: make([]int, len(m.Caches)), cacheRead: make([]int, len(m.Caches)),
		fileRead: map[string]Position{}, fileWritten: map[string]Position{},
		streams: map[string]*Endpoint{},
	}
}

// handler resolves one handler's names.
func (d *decoder) handler(i int, u *uses) {
	h := &d.m.Handlers[i]
	path := []string{"handler", h.ID}
	node := d.doc.root.child("handler").child(h.ID)
	if h.Function == "" && node.child("function") == nil {
		h.Function = h.ID
		d.note("the handler's id", "handler", h.ID, "function")
	}
	d.handlerModule(h, node, path, u)
	d.sources(h, node, path, u)
	d.pipe(h, path, u)
	d.sinksOf(h, node, path, u)
	d.cachesOf(h, node, path, u)
	d.checkpointsOf(h)
	d.onError(h, path, u)
}

// handlerModule finds the handler's module.
func (d *decoder) handlerModule(h *Handler, node *node, path []string, u *uses) {
	m := d.m
	var ids []string
	for _, o := range m.Modules {
		ids = append(ids, o.ID)
	}
	h.ModuleIndex = m.ModuleIndex(h.Module)
	at := d.doc.place(path).key
	switch written := node.child("module") != nil; {
	case h.ModuleIndex >= 0:
		u.module[h.ModuleIndex]++
	case written && h.Module == "":
		u.brokenModule = true // The value itself was reported.
	case written:
		u.brokenModule = true
		d.reportAt(CodeUnknownModule, join(path, "module"), "there is no module "+quoteName(h.Module), didYouMean(h.Module, ids, "modules"))
	case len(ids) == 1:
		h.Module, h.ModuleIndex = ids[0], 0
		u.module[0]++
		d.note("the only module", "handler", h.ID, "module")
	case len(ids) == 0:
		d.report(CodeWhichModule, at, path, "the handler "+quoteName(h.ID)+" has no module, and the manifest has none either", `write [module.ID] with its path`)
	default:
		u.brokenModule = true
		d.report(CodeWhichModule, at, path, "the handler "+quoteName(h.ID)+" does not say which of "+strconv.Itoa(len(ids))+" modules it is in", "write module = "+quoteName(ids[0]))
	}
}

// sources resolves what the handler reads.
func (d *decoder) sources(h *Handler, node *node, path []string, u *uses) {
	path = join(path, "source")
	written := node.child("source")
	if written == nil || written.kind != kindArray {
		u.brokenSources = true
		return
	}
	if len(written.children) == 0 {
		d.report(CodeNoSource, written.val, path, "the handler "+quoteName(h.ID)+" has no source, so it would never run", "name a topic, a proxy, a repartition, a cache, a timer, a file, stdin or an http:/path")
		return
	}
	seen := map[string]bool{}
	for i, text := range h.sources {
		full := join(path, strconv.Itoa(i))
		// An empty text was reported when its reference could not be replaced,
		// unless the manifest itself says "".
		if text == "" && i < len(written.children) && written.children[i].text != "" {
			u.brokenSources = true
			continue
		}
		e, ok := d.resolveEndpoint(text, full, asSource)
		if !ok {
			u.brokenSources = true
			continue
		}
		if seen[e.Key()] {
			d.reportAt(CodeRepeated, full, "the source "+quoteName(text)+" is named twice", "each record would reach the handler twice")
			continue
		}
		seen[e.Key()] = true
		switch e.Kind {
		case EndpointTopic:
			u.topicRead[e.Index]++
		case EndpointProxy:
			u.proxyRead[e.Index]++
		case EndpointRepartition:
			u.repartitionRead[e.Index]++
		case EndpointCache:
			u.cacheRead[e.Index]++
		case EndpointFile:
			u.fileRead[e.Path] = e.Pos
		case EndpointStdin:
			if first := u.streams["stdin"]; first != nil && first.Codec != e.Codec {
				d.reportAt(CodeTwoForms, full, "stdin is read as "+string(e.Codec)+" here and as "+string(first.Codec)+" at "+lineOf(first.Pos.at), "its lines come once: read them in one form")
			}
			u.streams["stdin"] = &e
		}
		h.Sources = append(h.Sources, e)
	}
}

// sinksOf resolves where the handler writes.
func (d *decoder) sinksOf(h *Handler, node *node, path []string, u *uses) {
	named := map[string]bool{}
	places := map[string]bool{}
	if s := node.child("sink"); s != nil && len(h.sinks.entries) < len(s.children) {
		u.brokenSink = true
	}
	for _, b := range h.sinks.entries {
		e, ok := d.resolveEndpoint(b.text.Reveal(), b.path, asSink)
		if !ok {
			u.brokenSink = true
			continue
		}
		s := Sink{Name: b.name, Endpoint: e}
		if !h.sinks.named {
			s.Name = e.sinkName()
		}
		switch {
		case places[e.Key()]:
			d.reportAt(CodeRepeated, b.path, "the sink "+quoteName(e.Text)+" is named twice", "an output to every sink would be written twice")
			continue
		case named[s.Name]:
			d.reportAt(CodeRepeated, b.path, "two sinks have the name "+quoteName(s.Name), "name them with a table: sink = { first = "+quote(e.Text)+", ... }")
			continue
		}
		named[s.Name], places[e.Key()] = true, true
		switch e.Kind {
		case EndpointTopic:
			u.topicWritten[e.Index]++
		case EndpointProxy:
			u.proxyWritten[e.Index]++
		case EndpointRepartition:
			u.repartitionWritten[e.Index]++
		case EndpointFile:
			u.fileWritten[e.Path] = e.Pos
		}
		h.Sinks = append(h.Sinks, s)
	}
	h.adaptBare()
}

// adaptBare lets sinks without a codec, such as stdout, have what the others take,
// since a handler emits one form to every sink; without any, what its sources
// give, since most of what is emitted comes from there.
func (h *Handler) adaptBare() {
	typed := func(c Codec) bool { return c.Repr() == ReprValue }
	others, json := false, false
	for _, s := range h.Sinks {
		if s.bare() || s.Codec.Repr() == ReprAny {
			continue
		}
		others, json = true, json || typed(s.Codec)
	}
	if !others {
		json = slices.ContainsFunc(h.Sources, func(e Endpoint) bool { return typed(e.Codec) })
	}
	for i := range h.Sinks {
		if s := &h.Sinks[i]; s.bare() && json {
			s.Codec = CodecJSON
		}
	}
}

// resolveEndpoint turns a text into an endpoint with its index; ok is false
// when that was reported to be impossible.
func (d *decoder) resolveEndpoint(text string, path []string, s side) (Endpoint, bool) {
	e, p := d.endpoint(text, s)
	at := d.doc.place(path).val
	e.Pos = at.pos()
	subject := "the " + s.String() + " " + quoteName(text)
	if d.doc.origins[pathKey(path)].secret {
		subject = "the " + s.String()
	}
	switch {
	case p != nil:
		d.report(p.code, at, path, subject+" "+p.msg, p.hint)
		return e, false
	case e.Kind == EndpointCache:
		return e, d.cacheSource(&e, at, path, subject)
	case e.Kind != EndpointTopic:
		return e, true
	}
	if e.Index = d.m.proxy(text); e.Index >= 0 {
		e.Kind = EndpointProxy
		return e, true
	}
	if e.Index = d.m.RepartitionIndex(text); e.Index >= 0 {
		e.Kind = EndpointRepartition
		return e, true
	}
	if e.Index = d.m.topic(text); e.Index >= 0 {
		e.Codec = d.m.Topics[e.Index].Codec
		return e, true
	}
	d.report(CodeUnknownRef, at, path, subject+" is no topic, proxy or repartition", d.refHint(text, s))
	return e, false
}

// refHint says what an unknown source or sink could mean.
func (d *decoder) refHint(text string, s side) string {
	var have []string
	for _, t := range d.m.Topics {
		have = append(have, t.ID)
	}
	for _, p := range d.m.Proxies {
		have = append(have, p.ID)
	}
	for _, r := range d.m.Repartitions {
		have = append(have, r.ID)
	}
	if s == asSource {
		have = append(have, "stdin")
	} else {
		have = append(have, "stdout")
	}
	if n := nearest(text, have); n != "" {
		return "did you mean " + quoteName(n) + "?"
	}
	for _, t := range d.m.Topics {
		if t.Name == text {
			return "name topics by their id: " + quoteName(t.ID)
		}
	}
	if d.m.HandlerIndex(text) >= 0 {
		return "a handler is reached through a proxy: write [proxy.ID], a sink of the one and a source of the other"
	}
	if d.m.CacheIndex(text) >= 0 {
		return "a handler reaches a cache by its key cache: cache = [" + quoteName(text) + "]"
	}
	if checkID(text) == nil {
		return "write [topic." + text + "] or [proxy." + text + "]"
	}
	return ""
}

// onError completes the handler's error policy.
func (d *decoder) onError(h *Handler, path []string, u *uses) {
	o := &h.OnError
	path = join(path, "on_error")
	o.TopicIndex = -1
	if o.Topic != "" {
		o.TopicIndex = d.m.topic(o.Topic)
		at := join(path, "topic")
		switch {
		case o.TopicIndex < 0:
			var have []string
			for _, t := range d.m.Topics {
				have = append(have, t.ID)
			}
			hint := didYouMean(o.Topic, have, "topics")
			if d.m.RepartitionIndex(o.Topic) >= 0 {
				hint = "a repartition loses its records once they are handled: write a [topic.ID] for dead letters"
			}
			d.reportAt(CodeUnknownRef, at, "there is no topic "+quoteName(o.Topic), hint)
		default:
			u.topicWritten[o.TopicIndex]++
			if slices.ContainsFunc(h.Sources, func(e Endpoint) bool { return e.Kind == EndpointTopic && e.Index == o.TopicIndex }) {
				d.reportAt(CodeDeadLetterLoop, at, "the handler "+quoteName(h.ID)+" reads the topic that its own dead letters go to", "a record that always fails would go round for ever")
			}
		}
	}
	written := d.written(join(path, "policy"))
	switch {
	case o.Policy == "" && !written && o.Topic != "":
		o.Policy = PolicyDLQ
		d.note("a dead-letter topic is named", "handler", h.ID, "on_error", "policy")
	case o.Policy == "" && !written:
		o.Policy = PolicyFail
	case o.Policy == PolicyDLQ && o.Topic == "" && !d.written(join(path, "topic")):
		d.reportAt(CodeNoDeadLetters, join(path, "policy"), `the policy "dlq" needs a dead-letter topic`, `write topic = "dead" and [topic.dead]`)
	case o.Policy != PolicyDLQ && o.Policy != "" && o.TopicIndex >= 0:
		d.report(CodeDeadLetterUnused, d.doc.place(join(path, "topic")).key, join(path, "topic"), "no dead letter is written under the policy "+quoteName(string(o.Policy)), `write policy = "dlq", or leave topic out`)
	}
}

// written reports whether the document has a value at a path.
func (d *decoder) written(path []string) bool {
	_, ok := d.doc.places[pathKey(path)]
	return ok
}
