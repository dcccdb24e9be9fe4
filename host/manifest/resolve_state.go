package manifest

import (
	"slices"
	"strings"
)

// repartitions resolves names and clusters of internal topics.
func (d *decoder) repartitions() {
	m := d.m
	for i := range m.Repartitions {
		r := &m.Repartitions[i]
		path := []string{"repartition", r.ID}
		r.Name = m.Name + "-" + r.ID + "-repartition"
		r.Cluster = d.clusterOf(r.Kafka, path)
		d.internalTopic(r.Name, path)
	}
}

// internalTopic finds a topic of the manifest that has the name of one that
// the host makes for itself, on whichever cluster.
func (d *decoder) internalTopic(name string, path []string) {
	at := slices.IndexFunc(d.m.Topics, func(t Topic) bool { return t.Name == name })
	if at < 0 {
		return
	}
	id := d.m.Topics[at].ID
	d.report(CodeSameTopic, d.doc.place([]string{"topic", id, "name"}).key, []string{"topic", id},
		"the topic "+quoteName(id)+" has the name that the host gives to its own topic for ["+dotted(path)+"]: "+quoteName(name),
		"use the "+path[0]+" itself, or another topic")
}

// caches resolves topics and checks that each setting acts on its kind.
func (d *decoder) caches(u *uses) {
	m := d.m
	for i := range m.Caches {
		c := &m.Caches[i]
		path := []string{"cache", c.ID}
		c.TopicIndex = -1
		switch c.Kind {
		case "":
			continue // The value itself was reported.
		case CacheGlobal:
			d.globalCache(c, path, u)
			continue
		case CacheKV:
			c.Changelog = m.Name + "-" + c.ID + "-changelog"
			d.internalTopic(c.Changelog, path)
		default:
			d.unfit(path, "a local cache has no changelog", "leave it out", "replication", "config")
		}
		d.unfit(path, "a "+string(c.Kind)+" cache is not read from a topic", `write kind = "global", or leave it out`, "topic")
	}
}

// unfit reports settings that have no effect on the kind of the cache.
func (d *decoder) unfit(path []string, why, hint string, keys ...string) {
	for _, key := range keys {
		if full := join(path, key); d.written(full) {
			d.report(CodeCacheSetting, d.doc.place(full).key, full, key+" has no effect: "+why, hint)
		}
	}
}

func (d *decoder) globalCache(c *Cache, path []string, u *uses) {
	m := d.m
	d.unfit(path, "a global cache holds what its topic holds", "leave it out, or set the topic's retention", "ttl", "max_bytes")
	d.unfit(path, "a global cache has no changelog of its own", "leave it out, or set it on the topic", "replication", "config")
	if c.Key != KeyBytes && c.Key != KeyString && c.Key != "" {
		d.reportAt(CodeCacheSetting, join(path, "key"), "a global cache cannot have keys of type "+string(c.Key)+": its keys are those of the topic's records", `write key = "bytes" or key = "string"`)
	}
	at := join(path, "topic")
	if c.Topic == "" {
		if !d.written(at) {
			d.report(CodeGlobalTopic, d.doc.place(path).key, path, "the global cache "+quoteName(c.ID)+" has no topic to be read from", `write topic = "ID" and [topic.ID]`)
		}
		return
	}
	c.TopicIndex = m.topic(c.Topic)
	if c.TopicIndex < 0 {
		var have []string
		for _, t := range m.Topics {
			have = append(have, t.ID)
		}
		d.reportAt(CodeUnknownRef, at, "there is no topic "+quoteName(c.Topic), didYouMean(c.Topic, have, "topics"))
		return
	}
	u.topicRead[c.TopicIndex]++
	if t := &m.Topics[c.TopicIndex]; t.KeyCodec.Repr() == ReprValue {
		d.reportAt(CodeCacheSetting, at, "the keys of the topic "+quoteName(t.ID)+" are "+string(t.KeyCodec)+", and a global cache has bytes or text as keys", `write key_codec = "string" or "raw" there`)
	}
}

// cachesOf resolves the caches that the handler binds.
func (d *decoder) cachesOf(h *Handler, node *node, path []string, u *uses) {
	if s := node.child("cache"); s != nil && len(h.caches.entries) < len(s.children) {
		u.brokenCache = true
	}
	for _, b := range h.caches.entries {
		text := b.text.Reveal()
		subject := "the cache " + quoteName(text)
		if b.text.Secret() {
			subject = "the cache"
		}
		at := d.m.CacheIndex(text)
		if at < 0 {
			u.brokenCache = true
			d.reportAt(CodeUnknownCache, b.path, subject+" is not in the manifest", d.cacheHint(text))
			continue
		}
		u.cache[at]++
		if slices.ContainsFunc(h.Caches, func(c CacheBinding) bool { return c.CacheIndex == at }) {
			d.reportAt(CodeRepeated, b.path, subject+" is named twice", "one name in the module does for one cache")
			continue
		}
		c := CacheBinding{Name: b.name, Cache: text, CacheIndex: at, Pos: d.doc.place(b.path).val.pos()}
		if !h.caches.named {
			c.Name = text
		}
		h.Caches = append(h.Caches, c)
	}
}

// cacheSource resolves a source that is the updates of a cache.
func (d *decoder) cacheSource(e *Endpoint, at span, path []string, subject string) bool {
	id := strings.TrimPrefix(e.Text, "cache:")
	if e.Index = d.m.CacheIndex(id); e.Index < 0 {
		d.report(CodeUnknownCache, at, path, subject+" is the updates of a cache that is not in the manifest", d.cacheHint(id))
		return false
	}
	if c := &d.m.Caches[e.Index]; c.Kind == CacheGlobal {
		hint := "read the topic itself"
		if c.Topic != "" {
			hint = "read the topic itself: " + quoteName(c.Topic)
		}
		d.report(CodeGlobalUpdates, at, path, subject+" is the updates of a global cache, which no handler writes: they are the records of its topic", hint)
		return false
	}
	return true
}

// cacheHint says what an unknown cache could mean.
func (d *decoder) cacheHint(text string) string {
	var have []string
	for _, c := range d.m.Caches {
		have = append(have, c.ID)
	}
	if n := nearest(text, have); n != "" {
		return "did you mean " + quoteName(n) + "?"
	}
	if id, ok := strings.CutPrefix(text, "cache:"); ok {
		return "write the id alone: " + quoteName(id)
	}
	if d.m.topic(text) >= 0 {
		return `a topic is read as a whole by [cache.ID] with kind = "global" and topic = ` + quoteName(text)
	}
	if checkID(text) == nil {
		return "write [cache." + text + "]"
	}
	return didYouMean(text, have, "caches")
}
