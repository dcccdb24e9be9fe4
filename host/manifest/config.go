package manifest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Effective is a manifest as it acts: every value there is, with where it
// comes from, and the client properties that result for each topic. Secrets
// are replaced by "[redacted]".
type Effective struct {
	File     string          `json:"file"`
	Settings []Setting       `json:"settings"`
	Topics   []TopicSettings `json:"topics"`

	tables []settingTable
}

// Setting is one effective value.
type Setting struct {
	// Path are the parts of the key, Key the same as TOML writes it.
	Path []string `json:"path"`
	Key  string   `json:"key"`
	// Value is a string, an integer, a float, a truth value, or a list or table
	// of strings; durations and sizes are strings as in a manifest. It is nil
	// where the host decides at its start.
	Value  any    `json:"value"`
	Secret bool   `json:"secret,omitempty"`
	Origin string `json:"origin"`

	toml string
}

// TopicSettings are the properties of the client that reads and writes a
// topic: those of [kafka], then those of the topic's cluster.
type TopicSettings struct {
	Topic   string            `json:"topic"`
	Name    string            `json:"name"`
	Cluster string            `json:"cluster"`
	Client  map[string]string `json:"client"`

	lines []Setting
}

// settingTable is one table of the text form.
type settingTable struct {
	path     []string
	settings []Setting
}

// Config returns the effective values of m in the order of the specification.
func Config(m *Manifest) *Effective {
	c := configurer{m: m, out: &Effective{File: m.File}}
	c.table(spec(), nil, m, nil)
	for i := range m.Topics {
		c.topic(&m.Topics[i])
	}
	for _, t := range c.out.tables {
		c.out.Settings = append(c.out.Settings, t.settings...)
	}
	return c.out
}

type configurer struct {
	m   *Manifest
	out *Effective
}

// table adds the settings of one table and, after them, those of the tables
// in it.
func (c *configurer) table(t *table, path []string, target any, rest *field) {
	at := len(c.out.tables)
	c.out.tables = append(c.out.tables, settingTable{path: path})
	for i := range t.fields {
		f := &t.fields[i]
		if !f.usable() || f.table != nil || f.kind == fieldProperties || f.kind == fieldParams {
			continue
		}
		s := c.setting(f, join(path, f.name), f.slot(target).get())
		c.out.tables[at].settings = append(c.out.tables[at].settings, s)
	}
	for i := range t.fields {
		f := &t.fields[i]
		full := join(path, f.name)
		switch {
		case !f.usable():
		case f.kind == fieldTable:
			c.table(f.table, full, f.sub(target), f.rest)
			if f.rest != nil {
				c.children(f.rest, full, target)
			}
		case f.kind == fieldTables:
			c.children(f, full, target)
		case f.kind == fieldProperties, f.kind == fieldParams:
			c.entries(full, f.slot(target).get())
		}
	}
}

func (c *configurer) children(f *field, path []string, target any) {
	f.each(target, func(id string, child any) {
		c.table(f.table, join(path, id), child, nil)
	})
}

// entries adds a table of properties or parameters, if it has any.
func (c *configurer) entries(path []string, list any) {
	t := settingTable{path: path}
	switch list := list.(type) {
	case []Property:
		for _, p := range list {
			t.settings = append(t.settings, c.property(join(path, p.Name), p))
		}
	case []Param:
		for _, p := range list {
			t.settings = append(t.settings, c.param(join(path, p.Name), p))
		}
	}
	if t.settings != nil {
		c.out.tables = append(c.out.tables, t)
	}
}

// made starts a setting with what all of them have.
func (c *configurer) made(path []string) Setting {
	o := c.m.Origin(path...)
	return Setting{Path: path, Key: dotted(path), Origin: o.String(), Secret: o.secret}
}

// hide replaces the value of a secret.
func (s Setting) hide() Setting {
	if s.Secret {
		s.Value, s.toml = redacted, quote(redacted)
	}
	return s
}

func (c *configurer) property(path []string, p Property) Setting {
	s := c.made(path)
	s.Secret = s.Secret || p.Value.Secret()
	s.Value, s.toml = p.Value.String(), quote(p.Value.String())
	return s.hide()
}

func (c *configurer) param(path []string, p Param) Setting {
	s := c.made(path)
	s.Secret = s.Secret || p.Secret()
	s.toml = p.String()
	switch p.Type {
	case ParamInt:
		s.Value = p.Int()
	case ParamFloat:
		s.Value = jsonFloat(p.Float())
	case ParamBool:
		s.Value = p.Bool()
	default:
		s.Value = p.Text().String()
	}
	return s.hide()
}

// jsonFloat returns a float, or the text of one that JSON does not have.
func jsonFloat(f float64) any {
	if f-f != 0 {
		return formatFloat(f)
	}
	return f
}

// setting adds one field's value.
func (c *configurer) setting(f *field, path []string, v any) Setting {
	s := c.made(path)
	switch v := v.(type) {
	case string:
		s.Value, s.toml = v, quote(v)
		if v == "" {
			s.Value, s.toml = nil, ""
		}
	case bool:
		s.Value, s.toml = v, strconv.FormatBool(v)
	case time.Duration:
		if v == 0 && f.min > 0 {
			break
		}
		s.Value, s.toml = formatDuration(v), quote(formatDuration(v))
	case Start:
		s.Value, s.toml = v.String(), quote(v.String())
	case Marker:
		s.Value, s.toml = v.value(), v.String()
	case []string:
		s = c.list(s, path, v)
	case bindings:
		s = c.bindings(s, v)
	case int64:
		switch {
		case v == 0 && f.min > 0:
			s.Value, s.toml = nil, ""
		case f.kind == fieldSize:
			s.Value, s.toml = formatSize(v), quote(formatSize(v))
		default:
			s.Value, s.toml = v, strconv.FormatInt(v, 10)
		}
	}
	if s.Value == nil && f.defNote != "" {
		s.Origin += ": " + f.defNote
	}
	return s.hide()
}

// list writes a list of strings, each of which may be a secret by itself.
func (c *configurer) list(s Setting, path []string, v []string) Setting {
	shown, parts := []string{}, []string{}
	for i, text := range v {
		if c.m.Origin(join(path, strconv.Itoa(i))...).secret {
			text = redacted
		}
		shown, parts = append(shown, text), append(parts, quote(text))
	}
	s.Value, s.toml = shown, "["+strings.Join(parts, ", ")+"]"
	return s
}

func (c *configurer) bindings(s Setting, b bindings) Setting {
	if !b.named {
		shown, parts := []string{}, []string{}
		for _, e := range b.entries {
			shown, parts = append(shown, e.text.String()), append(parts, quote(e.text.String()))
		}
		s.Value, s.toml = shown, "["+strings.Join(parts, ", ")+"]"
		return s
	}
	shown, parts := map[string]string{}, []string{}
	for _, e := range b.entries {
		shown[e.name] = e.text.String()
		parts = append(parts, keyText(e.name)+" = "+quote(e.text.String()))
	}
	s.Value, s.toml = shown, "{ "+strings.Join(parts, ", ")+" }"
	return s
}

// topic adds the merged client properties of one topic.
func (c *configurer) topic(t *Topic) {
	cluster := &c.m.Clusters[t.Cluster]
	base := []string{"kafka"}
	if t.Cluster > 0 {
		base = append(base, cluster.Name)
	}
	out := TopicSettings{Topic: t.ID, Name: t.Name, Cluster: cluster.Name, Client: map[string]string{}}
	for _, p := range cluster.Properties() {
		path := join(base, "config", p.Name)
		switch p.Name {
		case "bootstrap.servers":
			path = join(base, "bootstrap_servers")
		case "group.id":
			path = join(base, "group")
		}
		s := c.property(path, p)
		s.Key = keyText(p.Name)
		out.Client[p.Name] = fmt.Sprint(s.Value)
		out.lines = append(out.lines, s)
	}
	c.out.Topics = append(c.out.Topics, out)
}

// String tells the origin in a few words.
func (o Origin) String() string {
	var b strings.Builder
	switch o.Kind {
	case OriginDefault:
		b.WriteString("default")
		if o.Note != "" {
			b.WriteString(": " + o.Note)
		}
		return b.String()
	case OriginSet:
		b.WriteString("--set")
	default:
		fmt.Fprintf(&b, "%s:%d", o.Pos.File, o.Pos.Line)
	}
	for _, r := range o.Refs {
		if o.Kind == OriginFile {
			b.WriteString(", default of")
		} else {
			b.WriteString(", from")
		}
		b.WriteString(" ${" + r + "}")
	}
	if o.Note != "" {
		b.WriteString(", " + o.Note)
	}
	return b.String()
}

// Text returns the values as a manifest with a comment behind each, and the
// client properties as comments at the end. It reads back as the same
// application, secrets excepted.
func (e *Effective) Text() string {
	var b strings.Builder
	for i, t := range e.tables {
		if i > 0 {
			fmt.Fprintf(&b, "\n[%s]\n", dotted(t.path))
		}
		writeSettings(&b, "", t.settings)
	}
	for _, t := range e.Topics {
		fmt.Fprintf(&b, "\n# client properties of topic %s (cluster %s)\n", t.Topic, t.Cluster)
		writeSettings(&b, "#   ", t.lines)
	}
	return b.String()
}

// writeSettings writes lines with their comments in one column.
func writeSettings(b *strings.Builder, prefix string, list []Setting) {
	lines := make([]string, len(list))
	width := 0
	for i, s := range list {
		key := keyText(s.Path[len(s.Path)-1])
		if prefix != "" {
			key = s.Key
		}
		lines[i] = prefix + key + " = " + s.toml
		if s.toml == "" {
			lines[i] = "# " + key
		}
		if n := len(lines[i]); n <= 48 {
			width = max(width, n)
		}
	}
	for i, s := range list {
		fmt.Fprintf(b, "%-*s  # %s\n", width, lines[i], oneLine(s.Origin))
	}
}

// oneLine keeps a comment on its line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}

// JSON returns the values as indented JSON, ended by a newline.
func (e *Effective) JSON() []byte {
	out, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		// Every value is of a type that has a JSON form.
		return nil
	}
	return append(out, '\n')
}
