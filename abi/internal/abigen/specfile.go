package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	tableStart = "<!-- generated: "
	tableEnd   = "<!-- end of generated -->"
)

// specFile replaces what stands between the markers of SPEC.md. A marker that
// names no table, and a table that no marker asks for, is an error.
func specFile(m *model, spec []byte) ([]byte, error) {
	tables := map[string]string{
		"exports":  exportTable(m),
		"imports":  importTable(m),
		"calls":    callTable(m),
		"limits":   limitTable(m),
		"progress": progressTable(m),
	}
	for i := range m.Enums {
		tables["enum "+m.Enums[i].Name] = enumTable(&m.Enums[i])
	}
	for i := range m.Messages {
		tables["message "+m.Messages[i].Name] = messageTable(&m.Messages[i])
	}
	var out bytes.Buffer
	used := map[string]bool{}
	lines := strings.SplitAfter(string(spec), "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i])
		rest, ok := strings.CutPrefix(lines[i], tableStart)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, " -->")
		table, ok := tables[name]
		if !ok {
			return nil, fmt.Errorf("SPEC.md:%d: no table %q", i+1, name)
		}
		used[name] = true
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], tableEnd); i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("SPEC.md: table %q has no %s", name, tableEnd)
		}
		out.WriteString(table)
		out.WriteString(lines[i])
	}
	for name := range tables {
		if !used[name] {
			return nil, fmt.Errorf("SPEC.md has no marker for table %q", name)
		}
	}
	return out.Bytes(), nil
}

func exportTable(m *model) string {
	s := "| export | signature | contract |\n| --- | --- | --- |\n"
	for _, f := range m.Exports {
		sig := ""
		if f.Name != "memory" {
			sig = "`" + plainSignature(f) + "`"
		}
		s += fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, sig, f.Doc)
	}
	return s
}

func importTable(m *model) string {
	s := "| import | signature | meaning |\n| --- | --- | --- |\n"
	for _, f := range m.Imports {
		doc := f.Doc
		if f.Capability != "" {
			doc += " Needs the capability `" + f.Capability + "`."
		}
		s += fmt.Sprintf("| `%s` | `%s` | %s |\n", f.Name, plainSignature(f), doc)
	}
	return s
}

func plainSignature(f fn) string {
	s := "(" + strings.Join(f.Params, ", ") + ")"
	if f.Result != "" {
		s += " -> " + f.Result
	}
	return s
}

func callTable(m *model) string {
	columns := []string{"describe", "init"}
	for i := range m.Enums {
		if m.Enums[i].Name == "Kind" {
			for _, v := range m.Enums[i].Values {
				columns = append(columns, strings.ToLower(v.Name))
			}
		}
	}
	s := "| import | " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat(" --- |", len(columns)+1) + "\n"
	for _, f := range m.Imports {
		s += "| `" + f.Name + "` |"
		for _, c := range columns {
			if contains(f.Calls, c) {
				s += " yes |"
			} else {
				s += " |"
			}
		}
		s += "\n"
	}
	return s
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func limitTable(m *model) string {
	s := "| name | number | of what |\n| --- | --- | --- |\n"
	for _, l := range m.Limits {
		s += fmt.Sprintf("| %s | %d | %s |\n", l.Name, l.Value, l.Doc)
	}
	return s
}

func progressTable(m *model) string {
	s := "| at | field | written by | meaning |\n| --- | --- | --- | --- |\n"
	end := 0
	for _, f := range m.Progress.Fields {
		s += fmt.Sprintf("| %d | %s | %s | %s |\n", f.At, strings.ToLower(f.Name), f.Writer, f.Doc)
		end = f.At + 4
	}
	return s + fmt.Sprintf("| %d to %d | reserved | | 0 |\n", end, m.Progress.Size-1)
}

func enumTable(e *enum) string {
	s := "| number | name | meaning |\n| --- | --- | --- |\n"
	for _, v := range e.Values {
		s += fmt.Sprintf("| %d | %s | %s |\n", v.Value, snakeLower(v.Name), v.Doc)
	}
	return s
}

func snakeLower(s string) string { return strings.ToLower(snake(s)) }

func messageTable(m *message) string {
	least := strconv.Itoa(len(m.Fields))
	switch {
	case m.Min > 0:
		least = strconv.Itoa(m.Min)
	case m.Repeat > 0:
		least = fmt.Sprintf("%d + %d * count", len(m.Fields)-1, m.Repeat)
	}
	title := m.Title
	if title == "" {
		title = m.Name
	}
	s := fmt.Sprintf("%s: array of at least %s, from %s.\n\n", title, least, sender(m.From))
	s += "| # | field | type | meaning |\n| --- | --- | --- | --- |\n"
	for i, f := range m.Fields {
		s += fmt.Sprintf("| %d | %s | %s | %s |\n", i, f.Name, f.Type, f.Doc)
	}
	return s
}

func sender(from string) string {
	if from == "both" {
		return "either side"
	}
	return "the " + from
}
