package manifest

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// maxReferenced is the largest file that a ${file:...} reference may name.
const maxReferenced = 64 << 10

// expanded is the text of a string value after its references are replaced.
type expanded struct {
	text string
	// refs lists the references by what is between the braces, without defaults
	// and messages.
	refs []string
	// env is set when a variable gave (part of) the text, secret when a file
	// did.
	env, secret bool
}

// refError is what is wrong with a reference; part is the reference's text.
type refError struct {
	problem
	part string
}

// expand replaces the references in s. It returns all that is wrong with
// them.
func (d *decoder) expand(s string) (expanded, []refError) {
	var out expanded
	var bad []refError
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			bad = append(bad, refError{problem{CodeReference, "the reference has no closing brace", `write "$${" for a literal "${"`}, s[i:]})
			s = ""
			break
		}
		ref := s[i : i+end+1]
		s = s[i+end+1:]
		text, err := d.reference(ref[2:len(ref)-1], &out)
		if err != nil {
			bad = append(bad, refError{*err, ref})
		}
		b.WriteString(text)
	}
	b.WriteString(s)
	out.text = b.String()
	return out, bad
}

// reference returns what stands between the braces of one reference.
func (d *decoder) reference(body string, out *expanded) (string, *problem) {
	if path, ok := strings.CutPrefix(body, "file:"); ok {
		out.refs = append(out.refs, body)
		out.secret = true
		return d.secretFile(path)
	}
	n := 0
	for n < len(body) && (body[n] == '_' || body[n] >= 'A' && body[n] <= 'Z' || body[n] >= 'a' && body[n] <= 'z' || n > 0 && body[n] >= '0' && body[n] <= '9') {
		n++
	}
	name, rest := body[:n], body[n:]
	def, hasDefault := strings.CutPrefix(rest, ":-")
	why, hasWhy := strings.CutPrefix(rest, ":?")
	switch {
	case name == "" || rest != "" && !hasDefault && !hasWhy:
		return "", &problem{CodeReference, "the reference is none of the forms there are", "write ${VAR}, ${VAR:-default}, ${VAR:?why} or ${file:path}"}
	case strings.Contains(rest, "${"):
		return "", &problem{CodeReference, "a reference cannot hold another one", "the default of ${" + name + "} must be plain text"}
	}
	out.refs = append(out.refs, name)
	value, set := d.opts.LookupEnv(name)
	switch {
	case set && (value != "" || rest == ""):
		out.env = true
		return value, nil
	case hasDefault:
		return def, nil
	case hasWhy && why != "":
		return "", &problem{CodeUnsetVariable, "the environment variable " + name + " is not set: " + why, ""}
	default:
		return "", &problem{CodeUnsetVariable, "the environment variable " + name + " is not set", "set it, or give a default: ${" + name + ":-...}"}
	}
}

// secretFile reads the file of a reference, without the newline at its end.
func (d *decoder) secretFile(path string) (string, *problem) {
	if path == "" {
		return "", &problem{CodeReference, "the reference names no file", "write ${file:/run/secrets/password}"}
	}
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(d.m.Dir, path)
	}
	data, err := d.opts.ReadFile(full)
	if err != nil {
		// The operating system's own words, without the operation and the path.
		var perr *fs.PathError
		if errors.As(err, &perr) {
			err = perr.Err
		}
		return "", &problem{CodeUnreadableFile, "cannot read " + quoteName(path) + ": " + err.Error(), "a relative path starts at the manifest's directory"}
	}
	if len(data) > maxReferenced {
		return "", &problem{CodeUnreadableFile, quoteName(path) + " is larger than 64 KiB", ""}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if invalidUTF8(text) >= 0 || strings.ContainsRune(text, 0) {
		return "", &problem{CodeUnreadableFile, quoteName(path) + " is not text", ""}
	}
	return text, nil
}
