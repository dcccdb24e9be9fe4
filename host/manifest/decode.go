package manifest

import (
	"strconv"
	"strings"
	"time"
)

// decoder reads the nodes of a document into a Manifest by the specification.
type decoder struct {
	opts     Options
	m        *Manifest
	doc      *document
	findings Errors
}

// report adds a finding.
func (d *decoder) report(code Code, at span, key []string, msg, hint string) {
	e := NewError(code, at.pos(), msg, hint)
	e.Key = dotted(key)
	d.findings = append(d.findings, e)
}

// reportAt adds a finding about the value at a path.
func (d *decoder) reportAt(code Code, path []string, msg, hint string) {
	d.report(code, d.doc.place(path).val, path, msg, hint)
}

// index notes where each node stands.
func (d *decoder) index(n *node, path []string) {
	if len(path) > 0 {
		d.doc.places[pathKey(path)] = place{n.key, n.val}
	}
	for i, c := range n.children {
		name := c.name
		if n.kind == kindArray {
			name = strconv.Itoa(i)
		}
		d.index(c, join(path, name))
	}
}

// hideSecrets notes which parts of a text are secret: whatever stands at a key
// that sounds like a secret, known or not.
func hideSecrets(n *node, depth int, secret bool) {
	// A URL with a user in it most likely has a password there too.
	credentials := n.kind == kindString && strings.Contains(n.text, "://") && strings.Contains(n.text, "@")
	if (secret || credentials) && n.kind != kindTable && n.val.src != nil {
		n.val.src.secrets = append(n.val.src.secrets, n.val)
	}
	for _, c := range n.children {
		// An id such as [topic.secrets] does not make its table one.
		id := c.kind == kindTable && depth < 2
		hideSecrets(c, depth+1, secret || n.kind == kindTable && !id && (secretName(c.name) || n.name == "admin" && c.name == "token"))
	}
}

// table reads a table into target, which is the struct the table's slots
// expect. A nil node stands for a table that is not there.
func (d *decoder) table(t *table, n *node, path []string, target any) {
	d.fields(t, n, path, target, nil)
}

func (d *decoder) fields(t *table, n *node, path []string, target any, rest *field) {
	if n == nil {
		n = &node{}
	}
	for _, c := range n.children {
		if t.field(c.name) == nil && (rest == nil || c.kind != kindTable) {
			d.unknown(t, c, path)
		}
	}
	for i := range t.fields {
		f := &t.fields[i]
		c := n.child(f.name)
		path := join(path, f.name)
		switch {
		case later(f.since):
			if c != nil {
				d.notYet(c.key, path, "the "+f.noun()+" "+quoteName(f.name), "leave it out until a later version brings it")
			}
		case c == nil && f.kind != fieldTable:
			d.missing(f, path, target)
		default:
			d.field(f, c, path, target)
		}
	}
}

// unknown reports a key that no field has.
func (d *decoder) unknown(t *table, n *node, path []string) {
	where := "at the top of the manifest"
	if len(path) > 0 {
		where = "in [" + dotted(path) + "]"
	}
	full := join(path, n.name)
	for i := range t.fields {
		if strings.EqualFold(t.fields[i].name, n.name) {
			d.report(CodeKeyCase, n.key, full, "unknown key "+quoteName(n.name)+" "+where, "keys are lower case: write "+quoteName(t.fields[i].name))
			return
		}
	}
	what := "known here"
	hint := didYouMean(strings.ReplaceAll(n.name, "-", "_"), t.names(), what)
	if len(path) == 0 && n.kind != kindTable {
		// The top has many keys; a list of them would not help.
		hint = ""
		if near := nearest(n.name, t.names()); near != "" {
			hint = "did you mean " + quoteName(near) + "?"
		}
	}
	d.report(CodeUnknownKey, n.key, full, "unknown key "+quoteName(n.name)+" "+where, hint)
}

// notYet reports something that a later version brings.
func (d *decoder) notYet(at span, path []string, what, hint string) {
	d.report(CodeNotYet, at, path, what+" is not in this version yet", hint)
}

// missing handles a field that is not there.
func (d *decoder) missing(f *field, path []string, target any) {
	switch {
	case f.required:
		d.report(CodeMissingKey, d.doc.place(path[:len(path)-1]).key, path, "the key "+quoteName(f.name)+" is missing", "write "+f.name+" = "+f.example)
	case f.def != "":
		v, p := f.parse(f.def)
		if p != nil {
			// A default the specification itself does not accept; a test keeps
			// this from happening.
			d.reportAt(p.code, path, "the default of "+f.name+" "+p.msg, "")
			return
		}
		f.slot(target).set(v)
	}
}

// field reads one field.
func (d *decoder) field(f *field, n *node, path []string, target any) {
	switch f.kind {
	case fieldTable:
		if n != nil && n.kind != kindTable {
			d.wrongType(n, path, "a table", "write ["+dotted(path)+"] and its keys below")
			n = nil
		}
		d.fields(f.table, n, path, f.sub(target), f.rest)
		if f.rest != nil && n != nil {
			d.children(f.rest, n, path, target, f.table)
		}
	case fieldTables:
		if n.kind != kindTable {
			d.wrongType(n, path, "a table", "write ["+dotted(path)+".ID] for each "+f.id)
			return
		}
		d.children(f, n, path, target, nil)
	case fieldStrings:
		d.strings(f, n, path, target)
	case fieldBindings:
		d.bindings(f, n, path, target)
	case fieldMarker:
		d.marker(f, n, path, target)
	case fieldProperties:
		d.properties(f, n, path, target)
	case fieldParams:
		d.params(f, n, path, target)
	default:
		d.scalar(f, n, path, target)
	}
}

// children reads the tables named by id; those at keys of skip are fields.
func (d *decoder) children(f *field, n *node, path []string, target any, skip *table) {
	for _, c := range n.children {
		if skip != nil && (skip.field(c.name) != nil || c.kind != kindTable) {
			continue
		}
		full := join(path, c.name)
		if c.kind != kindTable {
			d.wrongType(c, full, "a table", "write ["+dotted(full)+"] and its keys below")
			continue
		}
		if p := checkID(c.name); p != nil {
			d.report(p.code, c.key, full, p.msg, p.hint)
		}
		for _, r := range f.reserved {
			if r == c.name {
				d.report(CodeReservedID, c.key, full, quoteName(c.name)+" cannot be the id of a "+f.id, "the word means something else there")
			}
		}
		d.nested(f, c, full)
		d.table(f.table, c, full, f.add(target, c.name))
	}
}

// nested explains the commonest cause of tables inside a named table: a dot in
// an id.
func (d *decoder) nested(f *field, n *node, path []string) {
	if !n.header && !n.dotted && !n.closed && len(n.children) > 0 {
		for _, c := range n.children {
			if c.kind != kindTable || f.table.field(c.name) != nil {
				return
			}
		}
		id := n.name + "." + n.children[0].name
		d.report(CodeNestedTableKey, n.key, path, "["+dotted(path)+"."+keyText(n.children[0].name)+"] is a table inside a table: TOML takes the dot apart", "write ["+f.name+"."+kebab(id)+"]; a topic's real name goes into name = "+quote(id))
		n.children, n.byName, n.named = nil, nil, 0
	}
}

// wrongType reports a value of the wrong type.
func (d *decoder) wrongType(n *node, path []string, want, hint string) {
	d.report(CodeType, n.val, path, dotted(path)+" must be "+want+", not "+n.kind.String(), hint)
}

// text returns a string node's value with references replaced; ok is false
// when something was wrong with them.
func (d *decoder) text(n *node, path []string) (e expanded, ok bool) {
	e, bad := d.expand(n.text)
	if userInfo(e.text) {
		e.secret = true
		if n.val.src != nil {
			n.val.src.secrets = append(n.val.src.secrets, n.val)
		}
	}
	for _, b := range bad {
		at := n.val
		if at.src != nil {
			if i := strings.Index(at.src.text[at.start:at.end], b.part); i >= 0 {
				at = span{at.src, at.start + i, at.start + i + len(b.part)}
			}
		}
		d.report(b.code, at, path, b.msg, b.hint)
	}
	d.origin(n, path, e)
	return e, len(bad) == 0
}

// origin notes where the value at a path comes from.
func (d *decoder) origin(n *node, path []string, e expanded) {
	o := Origin{Kind: OriginFile, Pos: n.val.pos(), Refs: e.refs}
	switch {
	case e.secret:
		o.Kind = OriginSecretFile
	case n.fresh:
		o.Kind = OriginSet
	case e.env:
		o.Kind = OriginEnv
	}
	o.secret = e.secret || secretName(path[len(path)-1])
	d.doc.origins[pathKey(path)] = o
}

// shown quotes a value for a sentence, unless it is a secret.
func shown(e expanded, path []string) string {
	from := ""
	for _, r := range e.refs {
		from += " (from ${" + r + "})"
	}
	if e.secret || secretName(path[len(path)-1]) {
		return "the value" + from
	}
	return quoteName(e.text) + from
}

// scalar reads a field that is a single value.
func (d *decoder) scalar(f *field, n *node, path []string, target any) {
	text, refs := n.text, expanded{text: n.text}
	if n.kind == kindString {
		var ok bool
		if refs, ok = d.text(n, path); !ok {
			return
		}
		text = refs.text
	} else {
		d.origin(n, path, expanded{})
	}
	if want := f.wants(n.kind, len(refs.refs) > 0); want != "" {
		d.wrongType(n, path, want, f.typeHint(n))
		return
	}
	v, p := f.parse(text)
	if p != nil {
		subject := shown(refs, path) + " "
		if n.kind != kindString {
			subject = n.text + " "
			if secretName(path[len(path)-1]) {
				subject = "the value "
			}
		}
		if p.code == CodeEmpty {
			subject = dotted(path) + " "
		}
		d.report(p.code, n.val, path, subject+p.msg, p.hint)
		return
	}
	if name, ok := v.(string); ok && f.kind == fieldChoice {
		for _, c := range f.choices {
			if c.name == name && later(c.since) {
				d.notYet(n.val, path, f.name+" = "+quote(name), "this version has: "+strings.Join(f.words(), ", "))
				return
			}
		}
	}
	f.slot(target).set(v)
}

// wants returns what the field takes, or "" when a value of kind k will do. A
// string that held a reference may stand for any scalar.
func (f *field) wants(k kind, reference bool) string {
	want, article := kindString, "a string"
	switch f.kind {
	case fieldInt:
		want, article = kindInt, "an integer"
	case fieldBool:
		want, article = kindBool, "true or false"
	case fieldDuration:
		article = "a duration such as " + f.example
	case fieldSize:
		article = "a size such as " + f.example
	case fieldStart:
		if k == kindTime {
			return ""
		}
	}
	if k == want || k == kindString && reference {
		return ""
	}
	return article
}

// typeHint says how the value would be right.
func (f *field) typeHint(n *node) string {
	switch {
	case n.kind == kindTable || n.kind == kindArray:
		return ""
	case n.kind == kindString && (f.kind == fieldInt || f.kind == fieldBool):
		return "write it without quotes"
	case f.kind == fieldString:
		return "write it in quotes"
	case f.example != "":
		return "write for example " + f.name + " = " + f.example
	default:
		return ""
	}
}

// parse reads the text of a scalar into the type of the field's kind.
func (f *field) parse(text string) (any, *problem) {
	switch f.kind {
	case fieldInt:
		n, err := parseInt(text)
		if err != nil {
			return nil, &problem{CodeType, err.Error(), ""}
		}
		return n, f.inRange(n, func(n int64) string { return strconv.FormatInt(n, 10) }, CodeRange)
	case fieldBool:
		if text != "true" && text != "false" {
			return nil, &problem{CodeType, "is neither true nor false", ""}
		}
		return text == "true", nil
	case fieldDuration:
		v, err := parseDuration(text)
		if err != nil {
			return nil, &problem{CodeDuration, err.Error(), `write a number with a unit: "100ms", "2s", "10m", "24h", "7d"`}
		}
		return v, f.inRange(int64(v), func(n int64) string { return formatDuration(time.Duration(n)) }, CodeDuration)
	case fieldSize:
		n, err := parseSize(text)
		if err != nil {
			return nil, &problem{CodeSize, err.Error(), `write a whole number with a unit: "64MiB", "25MB", "1GiB"`}
		}
		return n, f.inRange(n, formatSize, CodeSize)
	case fieldStart:
		return parseStart(text)
	case fieldChoice:
		return f.choose(text)
	case fieldMarker:
		return Marker{}, nil // the default
	default:
		if f.check != nil {
			if p := f.check(text); p != nil {
				return nil, p
			}
		}
		return text, nil
	}
}

// inRange checks a number against the field's bounds.
func (f *field) inRange(n int64, format func(int64) string, code Code) *problem {
	switch {
	case f.min == 0 && f.max == 0 || n >= f.min && (f.max == 0 || n <= f.max):
		return nil
	case f.max == 0:
		return &problem{code, "is too small", "the smallest is " + format(f.min)}
	default:
		return &problem{code, "is out of range", "from " + format(f.min) + " to " + format(f.max)}
	}
}

// choose checks a word against the field's choices, those of later versions
// included.
func (f *field) choose(text string) (any, *problem) {
	for _, c := range f.choices {
		if c.name == text {
			return text, nil
		}
	}
	if f.open && checkID(text) == nil {
		return text, nil
	}
	hint := "one of: " + strings.Join(f.words(), ", ")
	if near := nearest(text, f.words()); near != "" {
		hint = "did you mean " + quoteName(near) + "?"
	}
	return nil, &problem{CodeChoice, "is not a value that " + f.name + " takes", hint}
}

func parseStart(text string) (any, *problem) {
	switch text {
	case "earliest":
		return Start{Kind: StartEarliest}, nil
	case "latest":
		return Start{Kind: StartLatest}, nil
	case "error":
		return Start{Kind: StartError}, nil
	}
	// TOML allows a blank between date and time.
	t, err := time.Parse(time.RFC3339, strings.Replace(strings.ToUpper(text), " ", "T", 1))
	if err != nil || t.Year() < 1970 {
		return nil, &problem{CodeStart, "is not a place to start from", `"earliest", "latest", "error", or a time with its zone such as "2026-01-31T12:00:00Z"`}
	}
	return Start{Kind: StartTime, Time: t.UTC()}, nil
}

// String returns the start as a manifest has it.
func (s Start) String() string {
	switch s.Kind {
	case StartLatest:
		return "latest"
	case StartError:
		return "error"
	case StartTime:
		return s.Time.Format(time.RFC3339Nano)
	default:
		return "earliest"
	}
}
