package manifest

import (
	"encoding/json"
	"strconv"
	"time"
)

// Schema returns the JSON schema of manifests, in draft-07 terms, as editors
// use it for TOML; ended by a newline. What this version refuses as not there
// yet is left out.
func Schema() []byte {
	root := schemaTable(spec(), nil)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "sliphost manifest, version 1"
	root["definitions"] = map[string]any{
		"reference": map[string]any{
			"type": "string", "pattern": `\$\{[^}]+\}`,
			"description": "A value with ${VAR}, ${VAR:-default}, ${VAR:?why} or ${file:path} in it.",
		},
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		// Maps of strings, numbers and lists always have a JSON form.
		return nil
	}
	return append(out, '\n')
}

// idPattern is checkID as a regular expression.
const idPattern = `^[a-z][a-z0-9]*(-[a-z0-9]+)*$`

// schemaTable describes a table; rest describes the tables at other keys.
func schemaTable(t *table, rest *field) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for i := range t.fields {
		f := &t.fields[i]
		if !f.usable() {
			continue
		}
		properties[f.name] = schemaField(f)
		if f.required {
			required = append(required, f.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	if rest != nil {
		child := schemaTable(rest.table, nil)
		child["description"] = rest.help
		out["additionalProperties"] = child
	}
	return out
}

func schemaField(f *field) map[string]any {
	var out map[string]any
	switch f.kind {
	case fieldTable:
		out = schemaTable(f.table, f.rest)
	case fieldTables:
		out = map[string]any{
			"type":                 "object",
			"propertyNames":        map[string]any{"pattern": idPattern, "maxLength": 64},
			"additionalProperties": schemaTable(f.table, nil),
		}
	case fieldChoice:
		out = orReference(map[string]any{"enum": f.words()})
		if f.open {
			out = map[string]any{"anyOf": []any{map[string]any{"enum": f.words()}, map[string]any{"type": "string"}}}
		}
	case fieldInt:
		n := map[string]any{"type": "integer"}
		if f.min != 0 || f.max != 0 {
			n["minimum"] = f.min
		}
		if f.max != 0 {
			n["maximum"] = f.max
		}
		if f.name == "version" {
			n = map[string]any{"const": 1}
		}
		out = orReference(n)
	case fieldBool:
		out = orReference(map[string]any{"type": "boolean"})
	case fieldDuration:
		out = orReference(map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|ms|s|m|h))+$|^[0-9]+d$`})
	case fieldSize:
		out = orReference(map[string]any{"type": "string", "pattern": `^[0-9]+ *([kKMGT]B|[KMGT]iB|B)$`})
	case fieldStart:
		out = map[string]any{"type": "string"}
	case fieldStrings:
		out = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
		if f.required {
			out["minItems"] = 1
		}
	case fieldBindings:
		texts := map[string]any{"type": "string"}
		out = map[string]any{"anyOf": []any{
			map[string]any{"type": "array", "items": texts},
			map[string]any{"type": "object", "additionalProperties": texts},
		}}
	case fieldMarker:
		texts := map[string]any{"type": "string"}
		out = map[string]any{"anyOf": []any{
			map[string]any{"enum": []string{markerTimestamp, markerCall}},
			map[string]any{
				"type": "object", "properties": map[string]any{"at": texts, "layout": texts},
				"required": []string{"at"}, "additionalProperties": false,
			},
		}}
	case fieldProperties, fieldParams:
		out = map[string]any{"type": "object", "additionalProperties": map[string]any{
			"type": []string{"string", "number", "boolean"},
		}}
	default:
		out = map[string]any{"type": "string"}
	}
	out["description"] = f.help
	if def := f.defaultValue(); def != nil {
		out["default"] = def
	}
	return out
}

func orReference(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, map[string]any{"$ref": "#/definitions/reference"}}}
}

// defaultValue returns the default as JSON has it, or nil.
func (f *field) defaultValue() any {
	if f.def == "" {
		return nil
	}
	switch f.kind {
	case fieldInt:
		n, err := strconv.ParseInt(f.def, 10, 64)
		if err == nil {
			return n
		}
	case fieldBool:
		return f.def == "true"
	}
	return f.def
}

// bounds describes the range of a number in words, "" if there is none.
func (f *field) bounds() string {
	if f.min == 0 && f.max == 0 || f.name == "version" {
		return ""
	}
	format := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch f.kind {
	case fieldDuration:
		format = func(n int64) string { return formatDuration(time.Duration(n)) }
	case fieldSize:
		format = formatSize
	}
	if f.max == 0 {
		return format(f.min) + " or more"
	}
	return format(f.min) + " to " + format(f.max)
}
