package manifest

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// resolve fills in computed defaults and turns names into indexes.
func (d *decoder) resolve() {
	m := d.m
	if !filepath.IsAbs(m.StateDir) {
		m.StateDir = filepath.Join(m.Dir, m.StateDir)
	}
	d.clusters()
	d.topics()
	d.codecs()
	d.repartitions()
	d.distinctIDs()
	d.modules()
	d.admin()
	if len(m.Handlers) == 0 {
		d.report(CodeNoHandler, d.doc.place([]string{"handler"}).key, nil, "the manifest has no handler", "write [handler.ID] with a source")
	}
	uses := newUses(m)
	d.caches(uses)
	for i := range m.Handlers {
		d.handler(i, uses)
	}
	d.checkpoints(uses)
	d.connectors()
	d.usage(uses)
	d.pipes()
}

// note records where a computed default comes from.
func (d *decoder) note(note string, path ...string) {
	d.doc.origins[pathKey(path)] = Origin{Kind: OriginDefault, Note: note}
}

// clusters lets each cluster inherit from [kafka].
func (d *decoder) clusters() {
	base := &d.m.Clusters[0]
	if base.BootstrapServers == "" {
		base.BootstrapServers = EmbeddedBroker
	}
	if base.Group == "" {
		base.Group = d.m.Name
		d.note("the application's name", "kafka", "group")
	}
	base.Config = base.own
	for i := 1; i < len(d.m.Clusters); i++ {
		c := &d.m.Clusters[i]
		if c.BootstrapServers == "" {
			c.BootstrapServers = base.BootstrapServers
			d.inherit(c.Name, "bootstrap_servers")
		}
		if c.Group == "" {
			c.Group = base.Group
			d.inherit(c.Name, "group")
		}
		c.Config = slices.Clone(c.own)
		for _, p := range base.Config {
			if !slices.ContainsFunc(c.own, func(q Property) bool { return q.Name == p.Name }) {
				c.Config = append(c.Config, p)
				d.inherit(c.Name, "config", p.Name)
			}
		}
		slices.SortFunc(c.Config, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	}
}

// inherit copies the origin of a value of [kafka] to a cluster's.
func (d *decoder) inherit(cluster string, path ...string) {
	o, ok := d.doc.origins[pathKey(join([]string{"kafka"}, path...))]
	if !ok {
		o.Kind = OriginDefault
	}
	o.Note = "inherited from [kafka]"
	d.doc.origins[pathKey(join([]string{"kafka", cluster}, path...))] = o
}

// Properties returns the client properties of the cluster, those included that
// have a key of their own in the manifest, sorted by name. The group is left
// out where it is empty.
func (c *Cluster) Properties() []Property {
	out := append(slices.Clone(c.Config),
		Property{"bootstrap.servers", NewValue(c.BootstrapServers, false)},
		Property{"group.id", NewValue(c.Group, false)})
	slices.SortFunc(out, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// topics resolves names and clusters of topics and finds ids and names that
// stand for two things.
func (d *decoder) topics() {
	m := d.m
	names := map[string]string{}
	for i := range m.Topics {
		t := &m.Topics[i]
		path := []string{"topic", t.ID}
		if t.Name == "" && m.doc.root.child("topic").child(t.ID).child("name") == nil {
			t.Name = t.ID
			d.note("the topic's id", "topic", t.ID, "name")
		}
		t.Cluster = d.clusterOf(t.Kafka, path)
		if d.m.Clusters[t.Cluster].Embedded() && !d.written(join(path, "create")) {
			t.Create = true
			d.note("the broker is embedded", "topic", t.ID, "create")
		}
		if !t.Create {
			d.needsCreate(path, t)
		}
		if t.Name == "" {
			continue
		}
		key := strconv.Itoa(t.Cluster) + "/" + t.Name
		if other, ok := names[key]; ok {
			d.report(CodeSameTopic, d.doc.place(join(path, "name")).key, path, "the topics "+quoteName(other)+" and "+quoteName(t.ID)+" are one topic at the broker: "+quoteName(t.Name), "use one id in both places")
		}
		names[key] = t.ID
	}
}

// clusterOf returns the index of the cluster that the table at path names.
func (d *decoder) clusterOf(name string, path []string) int {
	if at := slices.IndexFunc(d.m.Clusters, func(c Cluster) bool { return c.Name == name }); at >= 0 {
		return at
	}
	if name != "" {
		var have []string
		for _, c := range d.m.Clusters {
			have = append(have, c.Name)
		}
		d.reportAt(CodeUnknownCluster, join(path, "kafka"), "there is no cluster "+quoteName(name), didYouMean(name, have, "clusters"))
	}
	return 0
}

// minToken is the shortest token that is not guessed.
const minToken = 16

// admin checks that whoever can reach the host over HTTP must show a token.
func (d *decoder) admin() {
	a := &d.m.Admin
	at, token := []string{"admin", "http"}, []string{"admin", "token"}
	if a.HTTP != "" && checkAddress(a.HTTP) == nil && !isLoopback(a.HTTP) && !d.written(token) {
		d.reportAt(CodeAddress, at, quoteName(a.HTTP)+" is not a loopback address, and there is no token", `write token = "${file:...}" beside it, so that not everybody is answered who reaches it, or http = "127.0.0.1:9797"`)
	}
	if !d.written(token) || a.Token.Reveal() == "" {
		return
	}
	n := d.doc.root.child("admin").child("token")
	if !d.onlyReferences(n) {
		d.report(CodeLiteralSecret, n.key, token, "the token stands in the manifest itself", `keep it outside: "${VAR}" or "${file:/run/secrets/...}"; it is never printed`)
	}
	if len(a.Token.Reveal()) < minToken && a.Token.Reveal() != redacted {
		d.reportAt(CodeAdminToken, token, "the token is shorter than "+strconv.Itoa(minToken)+" characters", "take a random one: `openssl rand -hex 32`")
	}
	if a.HTTP == "" {
		d.report(CodeAdminToken, n.key, token, "the token protects nothing: there is no [admin] http", `write http = "127.0.0.1:9797", or leave it out`)
	}
}

// distinctIDs finds ids that a source or sink could not tell apart.
func (d *decoder) distinctIDs() {
	kinds := map[string]string{}
	see := func(kind, id string) {
		path := []string{kind, id}
		if other, ok := kinds[id]; ok {
			d.report(CodeAmbiguousID, d.doc.place(path).key, path, quoteName(id)+" is the id of a "+other+" and of a "+kind, "a source or sink could not tell them apart; the "+other+" is at "+lineOf(d.doc.place([]string{other, id}).key))
			return
		}
		kinds[id] = kind
	}
	for i := range d.m.Topics {
		see("topic", d.m.Topics[i].ID)
	}
	for i := range d.m.Proxies {
		see("proxy", d.m.Proxies[i].ID)
	}
	for i := range d.m.Repartitions {
		see("repartition", d.m.Repartitions[i].ID)
	}
}

// needsCreate warns about settings that act when a topic is created only.
func (d *decoder) needsCreate(path []string, t *Topic) {
	warn := func(key string) {
		d.report(CodeNeedsCreate, d.doc.place(join(path, key)).key, join(path, key), key+" has no effect on a topic that the host does not create", "write create = true, or leave it out")
	}
	if t.Replication > 0 {
		warn("replication")
	}
	if len(t.Config) > 0 {
		warn("config")
	}
}

// modules joins paths and rounds limits.
func (d *decoder) modules() {
	for i := range d.m.Modules {
		o := &d.m.Modules[i]
		if o.Path != "" && !filepath.IsAbs(o.Path) {
			o.Path = filepath.Join(d.m.Dir, o.Path)
		}
		o.SHA256 = strings.ToLower(o.SHA256)
		o.Limits.Memory -= o.Limits.Memory % (64 * kib)
	}
}

// topic and proxy return the index of an id, or -1.
func (m *Manifest) topic(id string) int {
	return slices.IndexFunc(m.Topics, func(t Topic) bool { return t.ID == id })
}

func (m *Manifest) proxy(id string) int {
	return slices.IndexFunc(m.Proxies, func(p Proxy) bool { return p.ID == id })
}

// TopicIndex returns the place of a topic's id in Topics, or -1.
func (m *Manifest) TopicIndex(id string) int { return m.topic(id) }

// ProxyIndex returns the place of a proxy's id in Proxies, or -1.
func (m *Manifest) ProxyIndex(id string) int { return m.proxy(id) }

// RepartitionIndex returns the place of a repartition's id in Repartitions, or
// -1.
func (m *Manifest) RepartitionIndex(id string) int {
	return slices.IndexFunc(m.Repartitions, func(r Repartition) bool { return r.ID == id })
}

// CacheIndex returns the place of a cache's id in Caches, or -1.
func (m *Manifest) CacheIndex(id string) int {
	return slices.IndexFunc(m.Caches, func(c Cache) bool { return c.ID == id })
}

// ModuleIndex returns the place of a module's id in Modules, or -1.
func (m *Manifest) ModuleIndex(id string) int {
	return slices.IndexFunc(m.Modules, func(o Module) bool { return o.ID == id })
}

// HandlerIndex returns the place of a handler's id in Handlers, or -1.
func (m *Manifest) HandlerIndex(id string) int {
	return slices.IndexFunc(m.Handlers, func(h Handler) bool { return h.ID == id })
}
