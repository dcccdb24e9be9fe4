package boot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
)

// Codecs are the codecs of a manifest's topics. A codec with a registry or a
// module is bound to a topic and to its keys or values; what it holds, clients
// and instances, is shared by all who use it until Close.
type Codecs struct {
	m          *manifest.Manifest
	mods       *Modules
	o          Options
	schemas    map[string]schemas // by codec id
	registries map[string]*codec.Registry
	built      map[codecUse]codec.Codec
	modules    []*moduleCodec
	registered []*registeredUse
	found      manifest.Errors
}

// schemas are a [codec.ID]'s files, read.
type schemas struct {
	avro, writer *codec.AvroSchema
	proto        *codec.ProtoSchema
}

type codecUse struct {
	id, topic string
	key       bool
}

// registeredUse is a topic's codec that has a registry.
type registeredUse struct {
	table  *manifest.CodecTable
	codec  *codec.Registered
	topic  string
	writes bool
}

// OpenCodecs makes the codecs of every topic of m. mods may be nil where no
// codec is a module. It asks no registry. With findings of level error there
// are no codecs.
func OpenCodecs(m *manifest.Manifest, mods *Modules, o Options) (*Codecs, manifest.Errors) {
	c := &Codecs{
		m: m, mods: mods, o: o, schemas: map[string]schemas{}, registries: map[string]*codec.Registry{},
		built: map[codecUse]codec.Codec{},
	}
	for i := range m.Codecs {
		c.read(&m.Codecs[i])
	}
	if c.found.Fatal() == nil {
		for i := range m.Topics {
			c.of(&m.Topics[i], true)
			c.of(&m.Topics[i], false)
		}
	}
	c.found.Sort()
	if c.found.Fatal() != nil {
		c.Close()
		return nil, c.found
	}
	return c, c.found
}

// Of returns the codec of a topic's keys or values.
func (c *Codecs) Of(t *manifest.Topic, key bool) codec.Codec {
	name := t.Codec
	if key {
		name = t.KeyCodec
	}
	if found, ok := codec.ByName(string(name)); ok {
		return found
	}
	return c.built[codecUse{string(name), t.Name, key}]
}

// Close gives clients and instances back.
func (c *Codecs) Close() {
	for _, r := range c.registries {
		r.Close()
	}
	for _, m := range c.modules {
		m.close()
	}
}

func (c *Codecs) report(t *manifest.CodecTable, key, msg, hint string) {
	c.found = append(c.found, manifest.NewError(manifest.CodeCodecSchema, c.m.ValuePos("codec", t.ID, key), fmt.Sprintf("codec %q: %s", t.ID, msg), hint))
}

// read reads the schema files of a table.
func (c *Codecs) read(t *manifest.CodecTable) {
	var s schemas
	switch t.Kind {
	case manifest.CodecKindAvro:
		s.avro = c.avro(t, "schema", t.Schema)
		s.writer = c.avro(t, "writer_schema", t.WriterSchema)
		if s.avro != nil && s.writer != nil {
			if err := codec.CompatibleAvro(s.writer, s.avro); err != nil {
				c.report(t, "writer_schema", err.Error(), "give new fields of schema a default")
			}
		}
	case manifest.CodecKindProtobuf:
		if t.Schema == "" {
			break
		}
		var err error
		if s.proto, err = codec.ReadProto(t.Schema); err != nil {
			c.unread(t, "schema", t.Schema, err)
			break
		}
		if _, err := s.proto.Message(t.Message); err != nil {
			key := "message"
			if t.Message == "" {
				key = "schema"
			}
			c.report(t, key, fmt.Sprintf("%s: %v", t.Schema, err), "write message = with the full name of one")
		}
		if t.Register && s.proto.Text == "" {
			c.report(t, "register", "a descriptor set cannot be registered: registries take .proto text", "name the .proto file as schema")
		}
	}
	c.schemas[t.ID] = s
}

func (c *Codecs) avro(t *manifest.CodecTable, key, path string) *codec.AvroSchema {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		c.unread(t, key, path, err)
		return nil
	}
	s, err := codec.ParseAvro(string(text))
	if err != nil {
		c.unread(t, key, path, err)
		return nil
	}
	return s
}

// unread reports a schema file that cannot be used.
func (c *Codecs) unread(t *manifest.CodecTable, key, path string, err error) {
	var se *codec.SchemaError
	switch {
	case errors.As(err, &se) && se.Line > 0:
		c.report(t, key, fmt.Sprintf("%s:%d:%d: %s", path, se.Line, se.Column, se.Reason), "")
	case errors.As(err, &se):
		c.report(t, key, fmt.Sprintf("%s: %s", path, se.Reason), "")
	default:
		c.report(t, key, "the schema file cannot be read: "+err.Error(), "the path starts at the manifest's directory")
	}
}

// of makes the codec of a topic's keys or values, if it needs making.
func (c *Codecs) of(topic *manifest.Topic, key bool) {
	name := topic.Codec
	if key {
		name = topic.KeyCodec
	}
	i := c.m.CodecIndex(name)
	if i < 0 {
		return
	}
	t := &c.m.Codecs[i]
	use := codecUse{t.ID, topic.Name, key}
	if c.built[use] != nil {
		return
	}
	made, err := c.make(t, topic, key)
	if err != nil {
		c.report(t, "kind", err.Error(), "")
		return
	}
	if made != nil {
		c.built[use] = made
	}
}

func (c *Codecs) make(t *manifest.CodecTable, topic *manifest.Topic, key bool) (codec.Codec, error) {
	s := c.schemas[t.ID]
	switch {
	case t.Kind == manifest.CodecKindJSON:
		return codec.JSON{}, nil
	case t.Kind == manifest.CodecKindMsgpack:
		return codec.MessagePack{}, nil
	case t.Kind == manifest.CodecKindModule:
		return c.module(t, topic, key), nil
	case t.Registry != "":
		reg, err := c.registry(t)
		if err != nil {
			return nil, err
		}
		r, err := codec.NewRegistered(codec.RegisteredConfig{
			Name: t.ID, Registry: reg, Topic: topic.Name, Key: key, Subject: t.Subject, Strategy: strategy(t.SubjectStrategy), Register: t.Register,
			Avro: s.avro, Proto: s.proto, Protobuf: t.Kind == manifest.CodecKindProtobuf, Message: t.Message,
		})
		if err != nil {
			return nil, err
		}
		c.registered = append(c.registered, &registeredUse{table: t, codec: r, topic: topic.ID, writes: c.written(topic)})
		return r, nil
	case t.Kind == manifest.CodecKindAvro:
		writer := s.writer
		if writer == nil {
			writer = s.avro
		}
		return codec.NewAvro(t.ID, writer, s.avro)
	}
	md, err := s.proto.Message(t.Message)
	if err != nil {
		return nil, err
	}
	return codec.NewProtobuf(t.ID, md)
}

// written says whether a handler writes to a topic.
func (c *Codecs) written(topic *manifest.Topic) bool {
	for i := range c.m.Handlers {
		for _, s := range c.m.Handlers[i].Sinks {
			if s.Kind == manifest.EndpointTopic && c.m.Topics[s.Index].ID == topic.ID {
				return true
			}
		}
	}
	return false
}

func strategy(s manifest.SubjectStrategy) codec.Strategy {
	switch s {
	case manifest.SubjectRecord:
		return codec.SubjectRecord
	case manifest.SubjectTopicRecord:
		return codec.SubjectTopicRecord
	}
	return codec.SubjectTopic
}

// registry makes a table's client, one for all its topics.
func (c *Codecs) registry(t *manifest.CodecTable) (*codec.Registry, error) {
	if r := c.registries[t.ID]; r != nil {
		return r, nil
	}
	if c.o.LocalRegistry {
		c.registries[t.ID] = codec.LocalRegistry()
		return c.registries[t.ID], nil
	}
	cfg := codec.RegistryConfig{URL: t.Registry, Username: t.Username, Password: t.Password, Token: t.Token, Timeout: t.Timeout}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s has no certificate in PEM", t.CA)
		}
		cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	r, err := codec.NewRegistry(cfg)
	if err == nil {
		c.registries[t.ID] = r
	}
	return r, err
}

// checkRegistries asks the registries whether what is to be written can be.
func (c *Codecs) checkRegistries(ctx context.Context) manifest.Errors {
	var found manifest.Errors
	for _, u := range c.registered {
		if !u.writes {
			continue
		}
		if err := u.codec.Prepare(ctx); err != nil {
			found = append(found, manifest.NewError(manifest.CodeRegistry, c.m.ValuePos("codec", u.table.ID, "registry"),
				fmt.Sprintf("codec %q for topic %q: %v", u.table.ID, u.topic, err), ""))
		}
	}
	return found
}

// module makes a codec of a module's function.
func (c *Codecs) module(t *manifest.CodecTable, topic *manifest.Topic, key bool) codec.Codec {
	if c.mods == nil || t.ModuleIndex < 0 || c.mods.list[t.ModuleIndex] == nil {
		return nil // its error is reported already
	}
	mod := c.mods.list[t.ModuleIndex]
	desc := mod.Describe()
	var names []string
	for i := range desc.Handlers {
		h := &desc.Handlers[i]
		if h.Flags&abi.FlagCodec == 0 {
			continue
		}
		if h.Name == t.Function {
			part := abi.PartValue
			if key {
				part = abi.PartKey
			}
			mc := newModuleCodec(mod, t, topic.Name, part, c.o.logger())
			c.modules = append(c.modules, mc)
			return mc
		}
		names = append(names, h.Name)
	}
	hint := "the module declares no codec"
	if len(names) > 0 {
		hint = "the module has " + list(names)
	}
	c.found = append(c.found, manifest.NewError(manifest.CodeCodecFunction, c.m.Pos("codec", t.ID, "function"),
		fmt.Sprintf("codec %q is function %q of module %q, which is no codec", t.ID, t.Function, t.Module), hint))
	return nil
}

// word is the codec of a word, raw for a topic that the manifest does not have.
func word(name manifest.Codec) codec.Codec {
	if c, ok := codec.ByName(string(name)); ok {
		return c
	}
	return codec.Raw{}
}

// TopicCodecs makes the codecs of one topic, for commands. What they need is
// loaded for them, modules among it; close gives it back.
func TopicCodecs(ctx context.Context, m *manifest.Manifest, t *manifest.Topic, o Options) (key, value codec.Codec, closeAll func() error, err error) {
	closeAll = func() error { return nil }
	if m.CodecIndex(t.Codec) < 0 && m.CodecIndex(t.KeyCodec) < 0 {
		return word(t.KeyCodec), word(t.Codec), closeAll, nil
	}
	// A manifest of this topic alone: what is wrong elsewhere is of no interest.
	only := *m
	only.Topics, only.Handlers = []manifest.Topic{*t}, nil
	only.Codecs = nil
	for i := range m.Codecs {
		if id := manifest.Codec(m.Codecs[i].ID); id == t.Codec || id == t.KeyCodec {
			only.Codecs = append(only.Codecs, m.Codecs[i])
		}
	}
	mods, found, err := LoadModules(ctx, &only, o)
	if err != nil {
		return nil, nil, closeAll, err
	}
	if found.Fatal() == nil {
		mods.codecs, found = OpenCodecs(&only, mods, o)
	}
	closeAll = func() error { return mods.Close(context.Background()) }
	if found.Fatal() != nil {
		return nil, nil, closeAll, errors.Join(found, closeAll())
	}
	return mods.codecs.Of(t, true), mods.codecs.Of(t, false), closeAll, nil
}
