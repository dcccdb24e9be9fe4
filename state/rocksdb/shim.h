/* What one crossing from Go to C does. Everything here works on RocksDB's own
 * C API; memory that comes back (values left over, scans, error texts) belongs
 * to the caller. */
#ifndef SLIPHOST_ROCKSDB_SHIM_H
#define SLIPHOST_ROCKSDB_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <rocksdb/c.h>

/* len is -1 where there is no value. left is the value if it did not fit: give
 * it to slip_take. */
typedef struct {
	int64_t len;
	rocksdb_pinnableslice_t *left;
	char *err;
} slip_value;

slip_value slip_get(rocksdb_t *db, const rocksdb_readoptions_t *ro, rocksdb_column_family_handle_t *cf,
	const char *key, size_t klen, char *dst, size_t cap);

/* Copies a value to dst, which has room for it, and frees it. */
void slip_take(rocksdb_pinnableslice_t *left, char *dst);

/* A scan that ran out of room. */
typedef struct slip_scan slip_scan;

/* A page being filled, see state.Page: used bytes and count entries are in it,
 * ends has room for room entries. Bounds of 0 are none. */
typedef struct {
	int64_t used, count, room, limit, max_bytes;
	int64_t need; /* out: bytes of the entry that did not fit */
	int more;     /* out: entries are left */
	char *err;    /* out */
} slip_page;

/* Both fill a page. They return NULL when done, or a scan to go on with when
 * there are more than p->need bytes and one entry of room. to is read if has_to. */
slip_scan *slip_scan_start(rocksdb_t *db, rocksdb_column_family_handle_t *cf, const char *from, size_t from_len,
	const char *to, size_t to_len, int has_to, int reverse, char *buf, size_t cap, int64_t *ends, slip_page *p);
slip_scan *slip_scan_go_on(slip_scan *s, char *buf, size_t cap, int64_t *ends, slip_page *p);

/* Writes a state.Batch of len bytes, already checked, to the families cfs, and
 * with it next put and done removed in the family chain. order lists where its
 * writes begin if they are not to be written as they come. */
char *slip_write(rocksdb_t *db, const rocksdb_writeoptions_t *wo, rocksdb_column_family_handle_t **cfs,
	const char *buf, size_t len, const uint32_t *order, size_t ordered,
	rocksdb_column_family_handle_t *chain, const char *done, size_t done_len, const char *next, size_t next_len);

#endif
