#include "shim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
	rd_kafka_topic_t *rkt;
	int64_t *delivered; // by partition: the offset behind the last record acknowledged, or -1
	int32_t partitions;
} topic;

struct slip_producer {
	rd_kafka_t *rk;
	rd_kafka_queue_t *events;
	int transactional;

	// One goroutine sends, another serves; they share what follows. The sender
	// alone adds topics and so reads them without the lock.
	pthread_mutex_t mu;
	pthread_cond_t cond;
	slip_outcome o;
	int64_t base; // ordinals count from here
	topic *topics;
	int ntopics, cap;
};

slip_producer *slip_producer_new(rd_kafka_conf_t *conf, int transactional, char *errstr,
                                 size_t size) {
	slip_producer *p = calloc(1, sizeof(*p));
	if (!p) {
		snprintf(errstr, size, "out of memory");
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR |
	                                   RD_KAFKA_EVENT_STATS);
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, size);
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		free(p);
		return NULL;
	}
	p->transactional = transactional;
	rd_kafka_set_log_queue(p->rk, NULL);
	p->events = rd_kafka_queue_get_main(p->rk);
	pthread_mutex_init(&p->mu, NULL);
	pthread_condattr_t a;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&p->cond, &a);
	pthread_condattr_destroy(&a);
	return p;
}

rd_kafka_t *slip_producer_rk(slip_producer *p) { return p->rk; }

int32_t slip_producer_topic(slip_producer *p, const char *name) {
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, name, NULL);
	if (!rkt)
		return -1;
	int32_t id = -1;
	pthread_mutex_lock(&p->mu);
	if (p->ntopics == p->cap) {
		int cap = p->cap ? p->cap * 2 : 8;
		topic *t = realloc(p->topics, (size_t)cap * sizeof(*t));
		if (!t)
			goto out;
		p->topics = t;
		p->cap = cap;
	}
	p->topics[p->ntopics] = (topic){.rkt = rkt};
	id = p->ntopics++;
out:
	pthread_mutex_unlock(&p->mu);
	if (id < 0)
		rd_kafka_topic_destroy(rkt);
	return id;
}

// set_delivered notes how far a partition is acknowledged; it returns -1 when
// it is out of memory. mu is held.
static int set_delivered(slip_producer *p, const rd_kafka_topic_t *rkt, int32_t partition,
                         int64_t next) {
	topic *t = NULL;
	for (int i = 0; i < p->ntopics && !t; i++)
		if (p->topics[i].rkt == rkt)
			t = &p->topics[i];
	if (!t || partition < 0)
		return 0;
	if (partition >= t->partitions) {
		int32_t n = partition + 1 > 2 * t->partitions ? partition + 1 : 2 * t->partitions;
		int64_t *d = realloc(t->delivered, (size_t)n * sizeof(*d));
		if (!d)
			return -1;
		for (int32_t i = t->partitions; i < n; i++)
			d[i] = -1;
		t->delivered = d;
		t->partitions = n;
	}
	t->delivered[partition] = next;
	return 0;
}

int64_t slip_producer_delivered(slip_producer *p, int32_t id, int32_t partition) {
	int64_t next = -1;
	pthread_mutex_lock(&p->mu);
	if (id >= 0 && id < p->ntopics && partition >= 0 && partition < p->topics[id].partitions)
		next = p->topics[id].delivered[partition];
	pthread_mutex_unlock(&p->mu);
	return next;
}

// --- headers: a msgpack array of [str, bin|nil] ---

typedef struct {
	const uint8_t *p, *end;
} reader;

static int take(reader *r, int n, uint64_t *v) {
	if (r->end - r->p < n)
		return -1;
	*v = 0;
	for (int i = 0; i < n; i++)
		*v = *v << 8 | *r->p++;
	return 0;
}

static int take_array(reader *r, uint64_t *n) {
	uint64_t tag;
	if (take(r, 1, &tag))
		return -1;
	if ((tag & 0xf0) == 0x90) {
		*n = tag & 0x0f;
		return 0;
	}
	return tag == 0xdc ? take(r, 2, n) : tag == 0xdd ? take(r, 4, n) : -1;
}

// take_bytes reads a str, or a bin, or with *null set a nil.
static int take_bytes(reader *r, const uint8_t **b, uint64_t *n, int *null) {
	uint64_t tag;
	int err;
	if (take(r, 1, &tag))
		return -1;
	if (null)
		*null = tag == 0xc0;
	if (null && *null) {
		*n = 0;
		return 0;
	}
	if ((tag & 0xe0) == 0xa0) {
		*n = tag & 0x1f;
		err = 0;
	} else {
		switch (tag) {
		case 0xd9:
		case 0xc4:
			err = take(r, 1, n);
			break;
		case 0xda:
		case 0xc5:
			err = take(r, 2, n);
			break;
		case 0xdb:
		case 0xc6:
			err = take(r, 4, n);
			break;
		default:
			return -1;
		}
	}
	if (err || (uint64_t)(r->end - r->p) < *n)
		return -1;
	*b = r->p;
	r->p += *n;
	return 0;
}

// read_headers returns -1 when the bytes are no header array. An empty array
// leaves *out NULL.
static int read_headers(const uint8_t *p, size_t size, rd_kafka_headers_t **out) {
	reader r = {p, p + size};
	uint64_t n;
	*out = NULL;
	// Each header takes 3 bytes at least, so n cannot make us allocate more
	// than the input pays for.
	if (take_array(&r, &n) || n > size / 3)
		return -1;
	if (!n)
		return r.p == r.end ? 0 : -1;
	rd_kafka_headers_t *h = rd_kafka_headers_new(n);
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *name, *v = NULL;
		uint64_t two, nlen, vlen;
		int null;
		if (take_array(&r, &two) || two != 2 || take_bytes(&r, &name, &nlen, NULL) ||
		    take_bytes(&r, &v, &vlen, &null))
			goto bad;
		// A name of no bytes needs a pointer that strlen may follow; a size of
		// -1 would make librdkafka measure it.
		rd_kafka_header_add(h, nlen ? (const char *)name : "", (ssize_t)nlen,
		                    null ? NULL : vlen ? (const void *)v : "", (ssize_t)vlen);
	}
	if (r.p != r.end)
		goto bad;
	*out = h;
	return 0;
bad:
	rd_kafka_headers_destroy(h);
	return -1;
}

int slip_producer_send(slip_producer *p, const uint8_t *stage, size_t len, slip_sent *out) {
	int result = SLIP_SENT;
	int64_t ordinal;
	pthread_mutex_lock(&p->mu);
	ordinal = p->o.sent - p->base;
	pthread_mutex_unlock(&p->mu);
	out->used = 0;
	out->count = 0;
	out->code = 0;
	while (out->used < len) {
		slip_head h;
		memcpy(&h, stage + out->used, sizeof(h));
		const uint8_t *b = stage + out->used + sizeof(h);
		size_t klen = h.key > 0 ? (size_t)h.key : 0, vlen = h.value > 0 ? (size_t)h.value : 0,
		       hlen = h.headers > 0 ? (size_t)h.headers : 0;
		rd_kafka_headers_t *hdrs = NULL;
		rd_kafka_vu_t v[8];
		size_t n = 0;
		if (h.topic < 0) {
			out->code = RD_KAFKA_RESP_ERR__INVALID_ARG;
			snprintf(out->text, sizeof(out->text),
			         "its topic or partition is not valid, or it is larger than 2 GiB");
			result = SLIP_REFUSED;
			break;
		}
		v[n].vtype = RD_KAFKA_VTYPE_RKT;
		v[n++].u.rkt = p->topics[h.topic].rkt;
		v[n].vtype = RD_KAFKA_VTYPE_PARTITION;
		v[n++].u.i32 = h.partition;
		v[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
		v[n++].u.i = RD_KAFKA_MSG_F_COPY;
		v[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
		v[n++].u.ptr = (void *)(intptr_t)ordinal;
		if (h.key >= 0) {
			v[n].vtype = RD_KAFKA_VTYPE_KEY;
			v[n].u.mem.ptr = (void *)b;
			v[n++].u.mem.size = klen;
		}
		if (h.value >= 0) {
			v[n].vtype = RD_KAFKA_VTYPE_VALUE;
			v[n].u.mem.ptr = (void *)(b + klen);
			v[n++].u.mem.size = vlen;
		}
		if (h.timestamp >= 0) {
			v[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
			v[n++].u.i64 = h.timestamp;
		}
		if (h.headers >= 0) {
			if (read_headers(b + klen + vlen, hlen, &hdrs)) {
				out->code = RD_KAFKA_RESP_ERR__INVALID_ARG;
				snprintf(out->text, sizeof(out->text),
				         "its headers are no msgpack array of [str, bin or nil]");
				result = SLIP_REFUSED;
				break;
			}
			if (hdrs) {
				v[n].vtype = RD_KAFKA_VTYPE_HEADERS;
				v[n++].u.headers = hdrs;
			}
		}
		// Count first: the delivery report may come before this returns.
		pthread_mutex_lock(&p->mu);
		p->o.sent++;
		pthread_mutex_unlock(&p->mu);
		rd_kafka_error_t *e = rd_kafka_produceva(p->rk, v, n);
		if (e) {
			pthread_mutex_lock(&p->mu);
			p->o.sent--;
			pthread_mutex_unlock(&p->mu);
			// Headers are taken over only by a call that succeeds.
			if (hdrs)
				rd_kafka_headers_destroy(hdrs);
			out->code = rd_kafka_error_code(e);
			snprintf(out->text, sizeof(out->text), "%s", rd_kafka_error_string(e));
			rd_kafka_error_destroy(e);
			result = out->code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? SLIP_FULL : SLIP_REFUSED;
			break;
		}
		out->used += sizeof(h) + klen + vlen + hlen;
		out->count++;
		ordinal++;
	}
	return result;
}

// note_failure keeps the first refusal in the order of sending, not of
// answering. mu is held.
static void note_failure(slip_producer *p, const rd_kafka_message_t *m, rd_kafka_resp_err_t code,
                         const char *text) {
	int64_t ordinal = (int64_t)(intptr_t)m->_private;
	// A transaction that fails takes along every record under way: they say
	// nothing about the one that was refused, and never hide it.
	int purged = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
	int first = !p->o.code || (purged ? !p->o.failed && ordinal < p->o.ordinal
	                                  : !p->o.failed || ordinal < p->o.ordinal);
	if (purged)
		p->o.purged++;
	else
		p->o.failed++;
	if (!first)
		return;
	p->o.code = code;
	p->o.ordinal = ordinal;
	p->o.partition = m->partition;
	snprintf(p->o.topic, sizeof(p->o.topic), "%s", rd_kafka_topic_name(m->rkt));
	snprintf(p->o.text, sizeof(p->o.text), "%s", text);
}

static void note_reports(slip_producer *p, rd_kafka_event_t *ev) {
	const rd_kafka_message_t *m;
	int64_t acked = 0;
	// A broker's answer is about one partition, so its last offset is noted once.
	const rd_kafka_topic_t *rkt = NULL;
	int32_t partition = -1;
	int64_t next = -1;
	pthread_mutex_lock(&p->mu);
	while ((m = rd_kafka_event_message_next(ev))) {
		acked++;
		if (m->err) {
			note_failure(p, m, m->err, rd_kafka_err2str(m->err));
			continue;
		}
		if (rkt != m->rkt || partition != m->partition) {
			if (rkt && set_delivered(p, rkt, partition, next))
				note_failure(p, m, RD_KAFKA_RESP_ERR__INCONSISTENT, "out of memory");
			rkt = m->rkt;
			partition = m->partition;
		}
		next = m->offset >= 0 ? m->offset + 1 : -1;
		// The broker has the record from an earlier try but no longer knows
		// where. Positions are read from acknowledgements, so a transaction
		// cannot go on without.
		if (next < 0 && p->transactional)
			note_failure(p, m, RD_KAFKA_RESP_ERR__INCONSISTENT,
			             "the broker acknowledged it without telling its offset");
	}
	if (rkt && set_delivered(p, rkt, partition, next) && !p->o.code) {
		p->o.code = RD_KAFKA_RESP_ERR__INCONSISTENT;
		p->o.failed++;
		snprintf(p->o.text, sizeof(p->o.text), "out of memory");
	}
	pthread_mutex_unlock(&p->mu);
	// The event holds the messages, and they count as queued until it is gone.
	rd_kafka_event_destroy(ev);
	pthread_mutex_lock(&p->mu);
	p->o.acked += acked;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->mu);
}

rd_kafka_event_t *slip_producer_serve(slip_producer *p, int timeout_ms) {
	rd_kafka_event_t *ev;
	while ((ev = rd_kafka_queue_poll(p->events, timeout_ms))) {
		if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_DR)
			return ev;
		note_reports(p, ev);
	}
	return NULL;
}

int slip_producer_prime(slip_producer *p, int timeout_ms) {
	const struct rd_kafka_metadata *md;
	if (rd_kafka_metadata(p->rk, 0, NULL, &md, timeout_ms))
		return -1;
	rd_kafka_metadata_destroy(md);
	return 0;
}

void slip_producer_wake(slip_producer *p) { rd_kafka_queue_yield(p->events); }

static void deadline(struct timespec *t, int timeout_ms) {
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += timeout_ms / 1000;
	t->tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_nsec -= 1000000000L;
		t->tv_sec++;
	}
}

void slip_producer_wait(slip_producer *p, int64_t acked, int timeout_ms) {
	struct timespec t;
	deadline(&t, timeout_ms);
	pthread_mutex_lock(&p->mu);
	while (p->o.acked <= acked && p->o.acked < p->o.sent)
		if (pthread_cond_timedwait(&p->cond, &p->mu, &t))
			break;
	pthread_mutex_unlock(&p->mu);
}

int slip_producer_flush(slip_producer *p, int timeout_ms) {
	struct timespec t;
	int done;
	deadline(&t, timeout_ms);
	pthread_mutex_lock(&p->mu);
	done = p->o.acked == p->o.sent;
	pthread_mutex_unlock(&p->mu);
	if (done)
		return 1;
	// With delivery reports as events this polls nothing: it makes the broker
	// threads send without lingering and waits until no message is left, which
	// is when the serving goroutine has destroyed the last report.
	rd_kafka_flush(p->rk, timeout_ms);
	pthread_mutex_lock(&p->mu);
	while (!(done = p->o.acked == p->o.sent))
		if (pthread_cond_timedwait(&p->cond, &p->mu, &t)) {
			done = p->o.acked == p->o.sent;
			break;
		}
	pthread_mutex_unlock(&p->mu);
	return done;
}

void slip_producer_outcome(slip_producer *p, slip_outcome *o) {
	pthread_mutex_lock(&p->mu);
	*o = p->o;
	pthread_mutex_unlock(&p->mu);
}

void slip_producer_forget(slip_producer *p) {
	pthread_mutex_lock(&p->mu);
	p->base = p->o.sent;
	p->o.code = 0;
	p->o.failed = p->o.purged = 0;
	pthread_mutex_unlock(&p->mu);
}

void slip_producer_purge(slip_producer *p) {
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void slip_producer_free(slip_producer *p) {
	slip_producer_purge(p);
	rd_kafka_event_t *ev;
	while ((ev = rd_kafka_queue_poll(p->events, 0)))
		rd_kafka_event_destroy(ev);
	for (int i = 0; i < p->ntopics; i++) {
		rd_kafka_topic_destroy(p->topics[i].rkt);
		free(p->topics[i].delivered);
	}
	free(p->topics);
	rd_kafka_queue_destroy(p->events);
	rd_kafka_destroy(p->rk);
	pthread_mutex_destroy(&p->mu);
	pthread_cond_destroy(&p->cond);
	free(p);
}
