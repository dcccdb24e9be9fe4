package manifest

// usage finds what nobody uses, and proxies with one end only. What could not
// be resolved may have been a use, so broken sources or sinks keep it quiet.
func (d *decoder) usage(u *uses) {
	m := d.m
	for _, e := range d.findings {
		if e.Code == CodeAmbiguousID {
			return // Whose use a use would be is not known.
		}
	}
	broken := u.brokenSources || u.brokenSink
	d.connectorUsage(broken)
	for i := range m.Proxies {
		d.proxyUsage(m.Proxies[i].ID, u.proxyRead[i], u.proxyWritten[i], u)
	}
	for i := range m.Repartitions {
		d.repartitionUsage(m.Repartitions[i].ID, u.repartitionRead[i], u.repartitionWritten[i], u)
	}
	for i := range m.Caches {
		switch id := m.Caches[i].ID; {
		case u.cache[i] > 0 || u.brokenCache:
		case u.cacheRead[i] > 0:
			d.report(CodeCacheNoWriter, d.doc.place([]string{"cache", id}).key, []string{"cache", id}, "no handler writes to the cache "+quoteName(id)+", so the handlers that read its updates never run", "name it by the key cache of a handler")
		case !u.brokenSources:
			d.unused("cache", id)
		}
	}
	if !broken {
		for i := range m.Topics {
			if u.topicRead[i]+u.topicWritten[i] == 0 {
				d.unused("topic", m.Topics[i].ID)
			}
		}
		for i := range m.Modules {
			if u.module[i] == 0 && len(m.Handlers) > 0 && !u.brokenModule {
				d.unused("module", m.Modules[i].ID)
			}
		}
	}
	on := make([]int, len(m.Clusters))
	for _, t := range m.Topics {
		on[t.Cluster]++
	}
	for _, r := range m.Repartitions {
		on[r.Cluster]++
	}
	for i := 1; i < len(m.Clusters); i++ {
		if on[i] == 0 {
			d.unused("kafka", m.Clusters[i].Name)
		}
	}
	for path, at := range u.fileRead {
		if _, both := u.fileWritten[path]; both {
			d.report(CodeFileLoop, at.at, nil, "the file "+quoteName(path)+" is read and written", "its end would never come: write to another file")
		}
	}
}

// unused warns about a table that nothing refers to.
func (d *decoder) unused(kind, id string) {
	path := []string{kind, id}
	d.report(CodeUnused, d.doc.place(path).key, path, "["+dotted(path)+"] is not used", "")
}

// proxyUsage judges the two ends of a proxy.
func (d *decoder) proxyUsage(id string, read, written int, u *uses) {
	path := []string{"proxy", id}
	at := d.doc.place(path).key
	switch {
	case read > 0 && written == 0 && !u.brokenSink:
		d.report(CodeProxyNoWriter, at, path, "nothing is emitted into the proxy "+quoteName(id)+", so the handlers that read it never run", "make it a sink of a handler")
	case read == 0 && written > 0 && !u.brokenSources:
		d.report(CodeProxyNoReader, at, path, "nothing reads the proxy "+quoteName(id)+": what is emitted into it is dropped", "make it a source of a handler")
	case read == 0 && written == 0 && !u.brokenSink && !u.brokenSources:
		d.unused("proxy", id)
	}
}

// repartitionUsage judges the two ends of a repartition.
func (d *decoder) repartitionUsage(id string, read, written int, u *uses) {
	path := []string{"repartition", id}
	at := d.doc.place(path).key
	switch {
	case read > 0 && written == 0 && !u.brokenSink:
		d.report(CodeRepartitionEnd, at, path, "nothing is emitted into the repartition "+quoteName(id)+", so the handlers that read it never run", "make it a sink of a handler; a topic that others write is a [topic.ID]")
	case read == 0 && written > 0 && !u.brokenSources:
		d.report(CodeRepartitionEnd, at, path, "nothing reads the repartition "+quoteName(id)+", so its records would stay at the broker for ever", "make it a source of a handler; a topic that others read is a [topic.ID]")
	case read == 0 && written == 0 && !u.brokenSink && !u.brokenSources:
		d.unused("repartition", id)
	}
}
