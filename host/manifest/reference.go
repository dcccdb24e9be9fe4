package manifest

import (
	"fmt"
	"strings"
)

// Reference returns the reference page of manifests as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Manifest reference

This page is made from the field specification in ` + "`host/manifest/spec.go`" + `; do not edit it.

A manifest is a TOML file. Tables are named by ids: ` + "`[topic.orders]`" + ` is the topic with the id ` + "`orders`" + `, and sources, sinks and policies refer to it by that id.

- **Ids** are lower-case letters, digits and single hyphens, start with a letter and have at most 64 characters. A topic whose name at the broker is different gets it with ` + "`name`" + `.
- **Keys** that are not listed here, keys with capitals and keys given twice are errors.
- **References**: ` + "`${VAR}`, `${VAR:-default}`, `${VAR:?why}` and `${file:path}`" + ` are replaced inside string values, after parsing; a string with a reference may stand for a number, a duration, a size or a truth value too. ` + "`$${`" + ` is a literal ` + "`${`" + `. What comes out of a file is a secret.
- **Secrets** are never printed: values from files, and properties and parameters whose names say that they are secret.
- **Durations** are numbers with a unit: ns, us, ms, s, m, h, or d for whole days. **Sizes** are whole numbers with a unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB.
- **Paths** start at the manifest's directory unless they are absolute.
`)
	writeReference(&b, spec(), nil, nil)
	return b.String()
}

// writeReference writes the keys of a table and then the tables in it.
func writeReference(b *strings.Builder, t *table, path []string, rest *field) {
	first := true
	for i := range t.fields {
		f := &t.fields[i]
		if f.table != nil {
			continue
		}
		if first {
			if len(path) == 0 {
				b.WriteString("\n## Top of the manifest\n")
			}
			b.WriteString("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
			first = false
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, cell(f.typeWords()), cell(f.defaultWords()), cell(f.meaning()))
	}
	for i := range t.fields {
		f := &t.fields[i]
		if f.table == nil {
			continue
		}
		full := join(path, f.name)
		if f.kind == fieldTables {
			full = join(full, "ID")
		}
		fmt.Fprintf(b, "\n%s [%s]\n\n%s%s\n", heading(path), strings.Join(full, "."), f.help, f.notYetWords())
		if !f.usable() {
			continue
		}
		writeReference(b, f.table, full, f.rest)
		if f.rest != nil {
			fmt.Fprintf(b, "\n## [%s.NAME]\n\n%s The keys are those of `[%s]`.\n", strings.Join(full, "."), f.rest.help, strings.Join(full, "."))
		}
	}
}

func heading(path []string) string {
	if len(path) == 0 {
		return "##"
	}
	return "###"
}

// cell makes text fit into a table of Markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (f *field) typeWords() string {
	words := map[fieldKind]string{
		fieldString: "string", fieldChoice: "word", fieldInt: "integer", fieldBool: "true or false",
		fieldDuration: "duration", fieldSize: "size", fieldStart: "word or time", fieldStrings: "list of strings",
		fieldBindings: "list or table of strings", fieldMarker: "word or table", fieldProperties: "table of properties", fieldParams: "table of values",
	}[f.kind]
	if r := f.bounds(); r != "" {
		words += ", " + r
	}
	return words
}

func (f *field) defaultWords() string {
	switch {
	case f.required:
		return "required"
	case f.defNote != "":
		return f.defNote
	case f.def == "":
		return "none"
	case f.kind == fieldInt || f.kind == fieldBool:
		return "`" + f.def + "`"
	default:
		return "`" + quote(f.def) + "`"
	}
}

// meaning is the help with the choices, an example and what is not there yet.
func (f *field) meaning() string {
	var b strings.Builder
	b.WriteString(f.help)
	for _, c := range f.choices {
		if later(c.since) {
			fmt.Fprintf(&b, "<br>`%s`: not in this version yet.", c.name)
			continue
		}
		fmt.Fprintf(&b, "<br>`%s`: %s", c.name, c.help)
	}
	if f.example != "" {
		fmt.Fprintf(&b, "<br>Example: `%s = %s`", f.name, f.example)
	}
	b.WriteString(f.notYetWords())
	return b.String()
}

func (f *field) notYetWords() string {
	if f.usable() {
		return ""
	}
	return " **Not in this version yet.**"
}

// ErrorsReference returns the page of all codes as Markdown.
func ErrorsReference() string {
	var b strings.Builder
	b.WriteString(`# Errors and warnings

This page is made from the tables of codes in ` + "`host/manifest`" + `; do not edit it. ` + "`sliphost explain SLPnnn`" + ` prints one entry.
`)
	title := map[byte]string{
		'1': "Syntax and keys", '2': "Values", '3': "References and topology",
		'4': "Modules", '5': "Broker",
	}
	group := byte(0)
	for _, code := range Codes() {
		e, _ := Explain(code)
		if code[3] != group {
			group = code[3]
			fmt.Fprintf(&b, "\n## %s\n", title[group])
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n", e.Code, e.Title)
		if e.Level == LevelWarning {
			b.WriteString("A warning. ")
		}
		fmt.Fprintf(&b, "%s\n\nWith the finding:\n\n%s\nWithout:\n\n%s", e.Text, fence(e.Bad), fence(e.Good))
	}
	return b.String()
}

// fence makes a code block of an example, most of which are parts of a
// manifest.
func fence(s string) string {
	lang := "toml"
	switch word, _, _ := strings.Cut(s, " "); word {
	case "sliphost", "cargo":
		lang = "sh"
	case "func":
		lang = "go"
	case "require":
		lang = "text"
	}
	return "```" + lang + "\n" + strings.TrimSpace(s) + "\n```\n"
}

// String returns the explanation as text for a terminal.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s\n\n%s\n\nWith the finding:\n\n%s\n\nWithout:\n\n%s\n",
		e.Code, e.Level, e.Title, e.Text, indent(e.Bad), indent(e.Good))
	return b.String()
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ")
}
