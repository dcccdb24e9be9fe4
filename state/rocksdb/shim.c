#include <stdlib.h>
#include <string.h>
#include "shim.h"

slip_value slip_get(rocksdb_t *db, const rocksdb_readoptions_t *ro, rocksdb_column_family_handle_t *cf,
	const char *key, size_t klen, char *dst, size_t cap)
{
	slip_value v = { -1, NULL, NULL };
	rocksdb_pinnableslice_t *p = rocksdb_get_pinned_cf(db, ro, cf, key, klen, &v.err);
	if (p == NULL)
		return v;
	size_t len;
	const char *value = rocksdb_pinnableslice_value(p, &len);
	v.len = (int64_t)len;
	if (len > cap) {
		v.left = p;
		return v;
	}
	if (len > 0)
		memcpy(dst, value, len);
	rocksdb_pinnableslice_destroy(p);
	return v;
}

void slip_take(rocksdb_pinnableslice_t *left, char *dst)
{
	size_t len;
	const char *value = rocksdb_pinnableslice_value(left, &len);
	if (len > 0)
		memcpy(dst, value, len);
	rocksdb_pinnableslice_destroy(left);
}

/* RocksDB keeps pointers to the bounds, so a scan has its own copies. */
struct slip_scan {
	rocksdb_readoptions_t *ro;
	rocksdb_iterator_t *it;
	int reverse;
	char bounds[];
};

static slip_scan *scan_end(slip_scan *s)
{
	rocksdb_iter_destroy(s->it);
	rocksdb_readoptions_destroy(s->ro);
	free(s);
	return NULL;
}

slip_scan *slip_scan_start(rocksdb_t *db, rocksdb_column_family_handle_t *cf, const char *from, size_t from_len,
	const char *to, size_t to_len, int has_to, int reverse, char *buf, size_t cap, int64_t *ends, slip_page *p)
{
	slip_scan *s = malloc(sizeof *s + from_len + to_len);
	if (s == NULL) {
		p->err = strdup("out of memory");
		return NULL;
	}
	if (from_len > 0)
		memcpy(s->bounds, from, from_len);
	if (to_len > 0)
		memcpy(s->bounds + from_len, to, to_len);
	s->reverse = reverse;
	s->ro = rocksdb_readoptions_create();
	if (from_len > 0)
		rocksdb_readoptions_set_iterate_lower_bound(s->ro, s->bounds, from_len);
	if (has_to)
		rocksdb_readoptions_set_iterate_upper_bound(s->ro, s->bounds + from_len, to_len);
	s->it = rocksdb_create_iterator_cf(db, s->ro, cf);
	if (reverse)
		rocksdb_iter_seek_to_last(s->it);
	else
		rocksdb_iter_seek_to_first(s->it);
	return slip_scan_go_on(s, buf, cap, ends, p);
}

slip_scan *slip_scan_go_on(slip_scan *s, char *buf, size_t cap, int64_t *ends, slip_page *p)
{
	for (; rocksdb_iter_valid(s->it); s->reverse ? rocksdb_iter_prev(s->it) : rocksdb_iter_next(s->it)) {
		size_t klen, vlen;
		const char *key = rocksdb_iter_key(s->it, &klen);
		const char *value = rocksdb_iter_value(s->it, &vlen);
		int64_t size = (int64_t)(klen + vlen);
		if (p->count > 0 && ((p->limit > 0 && p->count >= p->limit) ||
				(p->max_bytes > 0 && p->used + size > p->max_bytes))) {
			p->more = 1;
			break;
		}
		if (p->room == 0 || (int64_t)cap - p->used < size) {
			p->need = size;
			return s;
		}
		if (klen > 0)
			memcpy(buf + p->used, key, klen);
		if (vlen > 0)
			memcpy(buf + p->used + klen, value, vlen);
		*ends++ = p->used + (int64_t)klen;
		p->used += size;
		*ends++ = p->used;
		p->count++;
		p->room--;
	}
	/* A damaged block makes an iterator invalid, as the end does. */
	rocksdb_iter_get_error(s->it, &p->err);
	return scan_end(s);
}

enum { op_put, op_delete, op_delete_range };

static int empty_range(const char *from, size_t from_len, const char *to, size_t to_len)
{
	size_t n = from_len < to_len ? from_len : to_len;
	int c = n == 0 ? 0 : memcmp(from, to, n);
	return c > 0 || (c == 0 && from_len >= to_len);
}

char *slip_write(rocksdb_t *db, const rocksdb_writeoptions_t *wo, rocksdb_column_family_handle_t **cfs,
	const char *buf, size_t len, const uint32_t *order, size_t ordered,
	rocksdb_column_family_handle_t *chain, const char *done, size_t done_len, const char *next, size_t next_len)
{
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	int count = 2;
	size_t n = 0;
	for (size_t at = 0; ordered > 0 ? n < ordered : at < len; n++) {
		uint32_t head[4];
		if (ordered > 0)
			at = order[n];
		memcpy(head, buf + at, sizeof head);
		const char *key = buf + at + sizeof head, *value = key + head[2];
		rocksdb_column_family_handle_t *cf = cfs[head[0]];
		at += (sizeof head + head[2] + (size_t)head[3] + 3) & ~(size_t)3;
		switch (head[1]) {
		case op_put:
			rocksdb_writebatch_put_cf(b, cf, key, head[2], value, head[3]);
			break;
		case op_delete:
			rocksdb_writebatch_delete_cf(b, cf, key, head[2]);
			break;
		case op_delete_range:
			/* RocksDB logs a reversed range and then refuses it, at every
			 * reopen again. */
			if (empty_range(key, head[2], value, head[3]))
				continue;
			rocksdb_writebatch_delete_range_cf(b, cf, key, head[2], value, head[3]);
			break;
		}
		count++;
	}
	rocksdb_writebatch_put_cf(b, chain, next, next_len, NULL, 0);
	rocksdb_writebatch_delete_cf(b, chain, done, done_len);
	char *err = NULL;
	/* The C API swallows the errors of single entries. */
	if (rocksdb_writebatch_count(b) != count)
		err = strdup("RocksDB refused a part of the batch");
	else
		rocksdb_write(db, wo, b, &err);
	rocksdb_writebatch_destroy(b);
	return err;
}
