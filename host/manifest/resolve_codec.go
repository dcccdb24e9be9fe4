package manifest

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// codecs checks [codec.ID] tables and what topics name as codecs.
func (d *decoder) codecs() {
	m := d.m
	used := make([]bool, len(m.Codecs))
	for i := range m.Topics {
		t := &m.Topics[i]
		d.codecOf(t.Codec, []string{"topic", t.ID, "codec"}, used)
		d.codecOf(t.KeyCodec, []string{"topic", t.ID, "key_codec"}, used)
	}
	for i := range m.Codecs {
		d.codec(&m.Codecs[i])
		if !used[i] {
			d.unused("codec", m.Codecs[i].ID)
		}
	}
}

// codecOf checks a topic's codec.
func (d *decoder) codecOf(c Codec, path []string, used []bool) {
	switch c {
	case CodecNone, CodecRaw, CodecString, CodecJSON, CodecMsgpack:
		return
	}
	if i := d.m.CodecIndex(c); i >= 0 {
		used[i] = true
		return
	}
	hint := ""
	switch string(c) {
	case "avro", "protobuf", "module":
		hint = "it needs settings: write [codec.ID] with kind = " + quote(string(c)) + ", and the id here"
	default:
		have := []string{"raw", "string", "json", "msgpack"}
		for i := range d.m.Codecs {
			have = append(have, d.m.Codecs[i].ID)
		}
		hint = didYouMean(string(c), have, "codecs")
	}
	d.reportAt(CodeUnknownCodec, path, "there is no codec "+quoteName(string(c)), hint)
}

// CodecIndex returns the place of a codec's table in Codecs, or -1.
func (m *Manifest) CodecIndex(c Codec) int {
	return slices.IndexFunc(m.Codecs, func(t CodecTable) bool { return t.ID == string(c) })
}

// codec checks one table: what its kind needs is there, and nothing that would
// have no effect.
func (d *decoder) codec(c *CodecTable) {
	path := []string{"codec", c.ID}
	c.ModuleIndex = -1
	schema := c.Kind == CodecKindAvro || c.Kind == CodecKindProtobuf
	remote := schema && c.Registry != ""
	for _, s := range []struct {
		key  string
		acts bool
		why  string
	}{
		{"schema", schema, "the kind has no schema"},
		{"writer_schema", c.Kind == CodecKindAvro && !remote && c.Schema != "", "it is for Avro with a schema and without a registry, which knows what records were written by"},
		{"message", c.Kind == CodecKindProtobuf, "only protobuf has messages"},
		{"registry", schema, "the kind has no schemas"},
		{"subject", remote, "there is no registry"},
		{"subject_strategy", remote, "there is no registry"},
		{"register", remote && (c.Schema != "" || !c.Register), "there is no registry, or no schema to register"},
		{"username", remote, "there is no registry"},
		{"password", remote && c.Username != "", "there is no registry, or no username"},
		{"secret_token", remote && c.Username == "", "there is no registry, or a username is given too"},
		{"ca_file", remote && strings.HasPrefix(c.Registry, "https:"), "there is no registry with https"},
		{"timeout", remote, "there is no registry"},
		{"module", c.Kind == CodecKindModule, "the kind has no module"},
		{"function", c.Kind == CodecKindModule, "the kind has no module"},
	} {
		if full := join(path, s.key); !s.acts && d.written(full) {
			d.report(CodeCodecSetting, d.doc.place(full).key, full, s.key+" has no effect: "+s.why, "leave it out")
		}
	}
	for _, file := range []*string{&c.Schema, &c.WriterSchema, &c.CA} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(d.m.Dir, *file)
		}
	}
	switch {
	case schema && c.Schema == "" && c.Registry == "":
		d.report(CodeCodecSetting, d.doc.place(path).key, path, "the codec "+quoteName(c.ID)+" has neither schema nor registry", "write schema = with a file, or registry = with a URL")
	case remote:
		d.registry(c, path)
	case c.Kind == CodecKindModule:
		d.codecModule(c, path)
	}
}

// registry checks what a registry is asked with. The URL is not shown: it may
// hold credentials that do not belong there.
func (d *decoder) registry(c *CodecTable, path []string) {
	u, err := url.Parse(c.Registry)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		d.report(CodeRegistryURL, d.doc.place(join(path, "registry")).key, join(path, "registry"), "registry is not the URL of a schema registry", "write http:// or https://, host and port; credentials go into username and password, or secret_token")
	}
	if c.SubjectStrategy != SubjectTopic && c.Subject == "" && c.Schema == "" && c.Message == "" {
		d.reportAt(CodeCodecSetting, join(path, "subject_strategy"), "a subject named by the record needs to know the record", "write schema, or subject")
	}
}

func (d *decoder) codecModule(c *CodecTable, path []string) {
	if c.Function == "" {
		c.Function = c.ID
		d.note("the codec's id", "codec", c.ID, "function")
	}
	if c.Module == "" {
		d.report(CodeCodecSetting, d.doc.place(path).key, path, "the codec "+quoteName(c.ID)+" has no module", "write module = with the id of a [module.ID]")
		return
	}
	c.ModuleIndex = slices.IndexFunc(d.m.Modules, func(o Module) bool { return o.ID == c.Module })
	if c.ModuleIndex < 0 {
		var have []string
		for i := range d.m.Modules {
			have = append(have, d.m.Modules[i].ID)
		}
		d.reportAt(CodeUnknownModule, join(path, "module"), "there is no module "+quoteName(c.Module), didYouMean(c.Module, have, "modules"))
	}
}
