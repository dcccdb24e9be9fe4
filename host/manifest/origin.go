package manifest

// OriginKind says where an effective value comes from.
type OriginKind string

// Origins of values.
const (
	// OriginFile is a value written in the manifest.
	OriginFile OriginKind = "file"
	// OriginEnv is a value that an environment variable gave.
	OriginEnv OriginKind = "env"
	// OriginSecretFile is a value read from a ${file:...} reference.
	OriginSecretFile OriginKind = "secret-file"
	// OriginSet is a value of a --set argument.
	OriginSet OriginKind = "set"
	// OriginDefault is a value the manifest leaves out.
	OriginDefault OriginKind = "default"
)

// Origin tells where an effective value comes from.
type Origin struct {
	Kind OriginKind
	// Pos is where the manifest has the value; zero for a default.
	Pos Position
	// Refs lists the ${references} in the value, as written without a default.
	Refs []string
	// Note says more about a default, such as "the topic's id".
	Note string

	secret bool
}

// Pos returns where the key at path stands: Pos("topic", "orders",
// "partitions"). Elements of a list are addressed by their index in decimal,
// entries of a table by their name. A path that the manifest does not have
// gives the place of the nearest part that it has, at least its first line.
func (m *Manifest) Pos(path ...string) Position { return m.doc.place(path).key.pos() }

// ValuePos is Pos for the value instead of the key.
func (m *Manifest) ValuePos(path ...string) Position { return m.doc.place(path).val.pos() }

// place returns the place of a path or of the nearest part of it.
func (d *document) place(path []string) place {
	if d == nil {
		return place{}
	}
	for n := len(path); n > 0; n-- {
		if p, ok := d.places[pathKey(path[:n])]; ok {
			return p
		}
	}
	first := span{src: d.main}
	return place{first, first}
}

// Origin returns where the value at path comes from.
func (m *Manifest) Origin(path ...string) Origin {
	if m.doc == nil {
		return Origin{Kind: OriginDefault}
	}
	if o, ok := m.doc.origins[pathKey(path)]; ok {
		return o
	}
	return Origin{Kind: OriginDefault}
}
