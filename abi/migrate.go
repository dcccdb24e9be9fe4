package abi

// MigrateHeader is the head of a Migrate message:
// [6, cache, from, to, count, key, value, ...].
type MigrateHeader struct {
	// Cache is the position in the binding's list of caches.
	Cache int32
	// From and To are state versions.
	From, To uint64
	// Count is the number of entries that follow.
	Count int32
	// more is the number of unknown values behind the entries.
	more int
}

// AppendMigrateHeader appends the head; Count entries in the form of
// AppendEntry must follow.
func AppendMigrateHeader(b []byte, h *MigrateHeader) []byte {
	b = AppendArrayHeader(b, 5+2*int(h.Count))
	b = append(b, byte(KindMigrate))
	b = AppendInt(b, int64(h.Cache))
	b = AppendUint(b, h.From)
	b = AppendUint(b, h.To)
	return AppendInt(b, int64(h.Count))
}

// ReadMigrateHeader reads the head and leaves r in front of the first entry;
// the caller reads h.Count entries with ReadEntry and then calls EndMigrate.
func ReadMigrateHeader(r *Reader, h *MigrateHeader) {
	start := r.off
	values := r.ArrayMin(5, "a migration of at least 5 fields")
	r.kind(KindMigrate, "kind migrate")
	*h = MigrateHeader{Cache: r.Int32(), From: r.Uint(), To: r.Uint(), Count: r.Int32()}
	h.more = r.entries(start, values, 2, h.Count)
	if r.err != nil {
		h.Count = 0
	}
}

// EndMigrate passes over what a newer minor version put behind the entries
// and refuses bytes behind the message.
func EndMigrate(r *Reader, h *MigrateHeader) {
	r.SkipN(h.more)
	r.End()
}

// AppendEntry appends a cache entry; neither key nor value is nil.
func AppendEntry(b, key, value []byte) []byte {
	b = append(AppendBinHeader(b, len(key)), key...)
	return append(AppendBinHeader(b, len(value)), value...)
}

// ReadEntry reads a cache entry, aliasing the message.
func ReadEntry(r *Reader) (key, value []byte) { return r.Bin(), r.Bin() }
