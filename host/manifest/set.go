package manifest

import "strings"

// applySet merges the --set arguments into the document.
func (d *decoder) applySet() {
	for _, arg := range d.opts.Set {
		root, src := d.parseSet(arg)
		if root == nil {
			d.report(CodeBadSet, span{src, 0, len(src.text)}, nil,
				"the argument is not KEY=VALUE", `write for example --set handler.late.params.minutes=20`)
			continue
		}
		hideSecrets(root, 0, false)
		d.merge(d.doc.root, root, nil)
	}
}

// parseSet reads one argument: its value as TOML if it is that, else as text.
func (d *decoder) parseSet(arg string) (*node, *source) {
	src := newSource("--set", arg)
	src.hidden = true
	if strings.ContainsAny(arg, "\n\r") {
		key, value, _ := strings.Cut(arg, "=")
		if strings.ContainsAny(key, "\n\r") {
			return nil, src
		}
		arg = key + "=" + quoteRaw(value)
	}
	for range 2 {
		src = newSource("--set", arg)
		root, ok := &node{}, true
		b := builder{src: src, report: func(Code, span, []string, string, string) { ok = false }}
		if b.build(root) && ok && len(root.children) == 1 && !root.children[0].header {
			return root, src
		}
		// A second reading takes the value as text.
		key, value, found := cutKey(arg)
		if !found {
			break
		}
		arg = key + "=" + quoteRaw(strings.Trim(value, " "))
	}
	src.hidden, src.readTo = true, 0
	return nil, src
}

// cutKey splits an argument at the first equals sign outside quotes.
func cutKey(arg string) (key, value string, ok bool) {
	quoted := byte(0)
	for i := range len(arg) {
		switch c := arg[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '=':
			return arg[:i], arg[i+1:], true
		}
	}
	return "", "", false
}

// quoteRaw is quote without the escape for references, which a --set may use.
func quoteRaw(s string) string {
	return strings.ReplaceAll(quote(s), "$${", "${")
}

// merge puts the values of an argument's tree into the document's.
func (d *decoder) merge(dst, from *node, path []string) {
	for _, n := range from.children {
		path := join(path, n.name)
		old := dst.child(n.name)
		switch {
		case old == nil:
			markFresh(n)
			dst.add(n)
		case old.kind == kindTable && n.kind == kindTable && !n.closed:
			d.merge(old, n, path)
		case old.kind == kindTable != (n.kind == kindTable):
			d.report(CodeBadSet, n.key, path, dotted(path)+" is "+old.kind.String()+" in the manifest, not "+n.kind.String(), "set a key inside it")
		default:
			name := old.name
			markFresh(n)
			*old = *n
			old.name = name
		}
	}
}

func markFresh(n *node) {
	n.fresh = true
	for _, c := range n.children {
		markFresh(c)
	}
}
