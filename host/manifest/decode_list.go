package manifest

import (
	"slices"
	"strconv"
	"strings"
)

// strings reads a list of strings.
func (d *decoder) strings(f *field, n *node, path []string, target any) {
	if n.kind != kindArray {
		hint := "write " + f.name + " = " + f.example
		if n.kind == kindString && !secretName(n.text) {
			hint = "write " + f.name + " = [" + quoteName(n.text) + "]"
		}
		d.wrongType(n, path, "a list", hint)
		return
	}
	var out []string
	for i, c := range n.children {
		full := join(path, strconv.Itoa(i))
		if c.kind != kindString {
			d.wrongType(c, full, "a string", "")
		} else if e, ok := d.text(c, full); ok {
			out = append(out, e.text)
			continue
		}
		// The place is kept, so that indexes stay those of the document.
		out = append(out, "")
	}
	d.origin(n, path, expanded{})
	f.slot(target).set(out)
}

// bindings reads a list of endpoints or caches, or a table of them.
func (d *decoder) bindings(f *field, n *node, path []string, target any) {
	if n.kind != kindArray && n.kind != kindTable {
		d.wrongType(n, path, "a list or a table", "write "+f.name+` = ["..."], or `+f.name+" = "+f.example)
		return
	}
	out := bindings{named: n.kind == kindTable}
	for i, c := range n.children {
		b := binding{name: c.name, path: join(path, c.name)}
		if !out.named {
			b.name, b.path = "", join(path, strconv.Itoa(i))
		}
		if c.kind != kindString {
			d.wrongType(c, b.path, "a string", "")
			continue
		}
		if out.named && strings.TrimSpace(b.name) == "" {
			d.report(CodeEmpty, c.key, b.path, "a "+f.name+"'s name must not be empty", "")
			continue
		}
		if e, ok := d.text(c, b.path); ok {
			b.text, b.refs = NewValue(e.text, e.secret), e.refs
			out.entries = append(out.entries, b)
		}
	}
	d.origin(n, path, expanded{})
	f.slot(target).set(out)
}

// properties reads a table of scalars that are passed on as text, sorted by
// name.
func (d *decoder) properties(f *field, n *node, path []string, target any) {
	if n.kind != kindTable {
		d.wrongType(n, path, "a table", "write ["+dotted(path)+"] and its keys below")
		return
	}
	var out []Property
	for _, c := range n.children {
		full := join(path, c.name)
		switch c.kind {
		case kindTable:
			d.report(CodePropertyAsTable, c.key, full, dotted(full)+" is a table, because TOML takes the dots in a name apart", "put the whole name in quotes: "+quote(propertyPath(c))+" = ...")
			continue
		case kindArray, kindTime:
			d.wrongType(c, full, "a string, a number, or true or false", "")
			continue
		}
		p := Property{Name: c.name}
		e := expanded{text: c.text}
		if c.kind == kindString {
			var ok bool
			if e, ok = d.text(c, full); !ok {
				continue
			}
			p.Value = NewValue(e.text, e.secret || secretName(c.name))
		} else {
			d.origin(c, full, expanded{})
			p.Value = NewValue(plainScalar(c), secretName(c.name))
		}
		if f.client {
			d.clientProperty(c, p, e, full)
		}
		for _, o := range f.owned {
			if o.name == c.name {
				d.report(CodeProperty, c.key, full, "the topic property "+quoteName(c.name)+" is refused: "+o.why, "leave it out")
			}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	f.slot(target).set(out)
}

// propertyPath joins the names of tables that dots in a property made.
func propertyPath(n *node) string {
	name := n.name
	for n.kind == kindTable && len(n.children) > 0 {
		n = n.children[0]
		name += "." + n.name
	}
	return name
}

// plainScalar writes a number or truth value as configuration files do.
func plainScalar(n *node) string {
	if n.kind == kindInt {
		if v, err := parseInt(n.text); err == nil {
			return strconv.FormatInt(v, 10)
		}
	}
	return strings.ReplaceAll(n.text, "_", "")
}

// ownProperties are client properties that have a key of their own.
var ownProperties = [...]struct{ name, instead string }{
	{"bootstrap.servers", "bootstrap_servers"},
	{"metadata.broker.list", "bootstrap_servers"},
	{"group.id", "group"},
	{"group.instance.id", "membership"},
	{"auto.offset.reset", "start of a topic"},
}

// clientProperty judges one client property.
func (d *decoder) clientProperty(n *node, p Property, e expanded, path []string) {
	for _, own := range ownProperties {
		if p.Name == own.name {
			d.report(CodeOwnProperty, n.key, path, quoteName(p.Name)+" has a key of its own in the manifest", "use "+own.instead)
			return
		}
	}
	if secretName(p.Name) && p.Value.Reveal() != "" && !d.onlyReferences(n) && !strings.HasSuffix(p.Name, ".location") {
		d.report(CodeLiteralSecret, n.key, path, "the secret "+quoteName(p.Name)+" stands in the manifest itself", `keep it outside: "${VAR}" or "${file:/run/secrets/...}"; it is never printed`)
	}
	if d.opts.CheckProperty == nil {
		return
	}
	if err := d.opts.CheckProperty(p.Name, p.Value.Reveal()); err != nil {
		msg := err.Error()
		if p.Value.Secret() && p.Value.Reveal() != "" {
			msg = strings.ReplaceAll(msg, p.Value.Reveal(), redacted)
		}
		d.report(CodeProperty, n.key, path, "the client property "+quoteName(p.Name)+" is refused: "+msg, "")
	}
}

// onlyReferences reports whether a string is made of references without
// defaults, so that no secret is in the manifest's text.
func (d *decoder) onlyReferences(n *node) bool {
	s := n.text
	for s != "" {
		end := strings.IndexByte(s, '}')
		if !strings.HasPrefix(s, "${") || end < 0 || strings.Contains(s[:end], ":-") {
			return false
		}
		s = s[end+1:]
	}
	return n.kind == kindString
}

// params reads a handler's parameters in the order of the document.
func (d *decoder) params(f *field, n *node, path []string, target any) {
	if n.kind != kindTable {
		d.wrongType(n, path, "a table", "write "+f.name+" = "+f.example)
		return
	}
	var out []Param
	for _, c := range n.children {
		full := join(path, c.name)
		p := Param{Name: c.name, Pos: c.val.pos()}
		switch c.kind {
		case kindString:
			e, ok := d.text(c, full)
			if !ok {
				continue
			}
			p.text, p.loose = NewValue(e.text, e.secret || secretName(c.name)), len(e.refs) > 0
		case kindInt:
			p.Type = ParamInt
		case kindFloat:
			p.Type = ParamFloat
		case kindBool:
			p.Type = ParamBool
		default:
			d.wrongType(c, full, "a string, an integer, a float, or true or false", "a date goes in quotes; lists and tables can be written as JSON text")
			continue
		}
		if c.kind != kindString {
			d.origin(c, full, expanded{})
			if !p.parse(c.text) {
				d.report(CodeRange, c.val, full, "the number does not fit into 64 bits", "")
				continue
			}
			p.text = NewValue("", secretName(c.name))
		}
		out = append(out, p)
	}
	f.slot(target).set(out)
}
