#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *slip_missing(void) {
#define SLIP_CHECK(result, name, params)                                                           \
	if (!name)                                                                                     \
		return #name;
	SLIP_RDKAFKA(SLIP_CHECK)
#undef SLIP_CHECK
	return NULL;
}

// on_event runs on librdkafka's threads when the consumer's own queue stops
// being empty: it ends a wait on the record queue.
static void on_event(rd_kafka_t *rk, void *opaque) {
	(void)rk;
	rd_kafka_queue_yield((rd_kafka_queue_t *)opaque);
}

slip_consumer *slip_consumer_new(rd_kafka_t *rk) {
	slip_consumer *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->rk = rk;
	c->events = rd_kafka_queue_get_consumer(rk);
	if (!c->events)
		c->events = rd_kafka_queue_get_main(rk);
	c->records = rd_kafka_queue_new(rk);
	rd_kafka_queue_cb_event_enable(c->events, on_event, c->records);
	return c;
}

static void drop_pending(slip_consumer *c) {
	if (c->pending)
		rd_kafka_event_destroy(c->pending);
	c->pending = NULL;
	c->pending_msg = NULL;
}

void slip_consumer_free(slip_consumer *c) {
	drop_pending(c);
	rd_kafka_queue_cb_event_enable(c->events, NULL, NULL);
	for (int i = 0; i < c->nslots; i++) {
		rd_kafka_queue_forward(c->slots[i].queue, NULL);
		rd_kafka_queue_destroy(c->slots[i].queue);
		free(c->slots[i].topic);
	}
	free(c->slots);
	rd_kafka_queue_destroy(c->records);
	rd_kafka_queue_destroy(c->events);
	free(c);
}

int slip_assign(slip_consumer *c, const char *topic, int32_t topic_id, int32_t partition) {
	if (c->nslots == c->cap) {
		int cap = c->cap ? c->cap * 2 : 16;
		slip_slot *s = realloc(c->slots, (size_t)cap * sizeof(*s));
		if (!s)
			return -1;
		c->slots = s;
		c->cap = cap;
	}
	rd_kafka_queue_t *q = rd_kafka_queue_get_partition(c->rk, topic, partition);
	if (!q)
		return -1;
	slip_slot *s = &c->slots[c->nslots];
	memset(s, 0, sizeof(*s));
	s->topic = strdup(topic);
	if (!s->topic) {
		rd_kafka_queue_destroy(q);
		return -1;
	}
	s->topic_id = topic_id;
	s->partition = partition;
	s->queue = q;
	s->eof = -1;
	s->eof_told = 1;
	c->nslots++;
	rd_kafka_queue_forward(q, c->records);
	return 0;
}

void slip_unassign(slip_consumer *c, int32_t topic_id, int32_t partition) {
	for (int i = 0; i < c->nslots; i++) {
		slip_slot *s = &c->slots[i];
		if (s->topic_id != topic_id || s->partition != partition)
			continue;
		// The forward stays until librdkafka stops the fetcher: records that
		// still come are outdated and leave the record queue unseen.
		rd_kafka_queue_destroy(s->queue);
		free(s->topic);
		*s = c->slots[--c->nslots];
		return;
	}
}

// slip_forward_again repeats the forwards. Stopping a fetcher resets the
// forward of its partition; were a partition stopped after it was assigned
// again, its records would wait where nobody looks.
void slip_forward_again(slip_consumer *c) {
	for (int i = 0; i < c->nslots; i++)
		rd_kafka_queue_forward(c->slots[i].queue, c->records);
}

int64_t slip_eof(slip_consumer *c, int32_t topic_id, int32_t partition) {
	for (int i = 0; i < c->nslots; i++)
		if (c->slots[i].topic_id == topic_id && c->slots[i].partition == partition)
			return c->slots[i].eof;
	return -1;
}

void slip_forget_eof(slip_consumer *c, int32_t topic_id, int32_t partition) {
	for (int i = 0; i < c->nslots; i++)
		if (c->slots[i].topic_id == topic_id && c->slots[i].partition == partition) {
			c->slots[i].eof = -1;
			c->slots[i].eof_told = 1;
		}
}

int slip_take_eof(slip_consumer *c, int32_t *topic_id, int32_t *partition, int64_t *offset) {
	c->ends = 0;
	for (int i = 0; i < c->nslots; i++) {
		slip_slot *s = &c->slots[i];
		if (s->eof_told)
			continue;
		s->eof_told = 1;
		*topic_id = s->topic_id;
		*partition = s->partition;
		*offset = s->eof;
		c->ends = 1; // there may be more
		return 1;
	}
	return 0;
}

static void met_eof(slip_consumer *c, slip_slot *s, int64_t offset) {
	s->eof = offset;
	s->eof_told = 0;
	c->ends = 1;
}

static slip_slot *find_slot(slip_consumer *c, const rd_kafka_topic_t *rkt, int32_t partition) {
	for (int i = 0; i < c->nslots; i++)
		if (c->slots[i].rkt == rkt && c->slots[i].partition == partition)
			return &c->slots[i];
	const char *name = rd_kafka_topic_name(rkt);
	for (int i = 0; i < c->nslots; i++)
		if (c->slots[i].partition == partition && !strcmp(c->slots[i].topic, name)) {
			c->slots[i].rkt = rkt;
			return &c->slots[i];
		}
	return NULL;
}

// --- msgpack ---

static size_t int_size(int64_t v) {
	if (v >= 0)
		return v < 128 ? 1 : v <= 0xff ? 2 : v <= 0xffff ? 3 : v <= 0xffffffffLL ? 5 : 9;
	return v >= -32 ? 1 : v >= -128 ? 2 : v >= -32768 ? 3 : v >= -2147483648LL ? 5 : 9;
}

static uint8_t *put_be(uint8_t *p, uint64_t v, int n) {
	for (int i = n - 1; i >= 0; i--)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint8_t *put_int(uint8_t *p, int64_t v) {
	static const uint8_t pos[] = {0, 0, 0xcc, 0xcd, 0, 0xce, 0, 0, 0, 0xcf};
	static const uint8_t neg[] = {0, 0, 0xd0, 0xd1, 0, 0xd2, 0, 0, 0, 0xd3};
	size_t n = int_size(v);
	if (n == 1) {
		*p++ = (uint8_t)v;
		return p;
	}
	*p++ = v >= 0 ? pos[n] : neg[n];
	return put_be(p, (uint64_t)v, (int)n - 1);
}

static size_t bin_size(const void *b, size_t n) {
	if (!b)
		return 1;
	return (n <= 0xff ? 2 : n <= 0xffff ? 3 : 5) + n;
}

static uint8_t *put_bin(uint8_t *p, const void *b, size_t n) {
	if (!b) {
		*p++ = 0xc0;
		return p;
	}
	if (n <= 0xff) {
		*p++ = 0xc4;
		p = put_be(p, n, 1);
	} else if (n <= 0xffff) {
		*p++ = 0xc5;
		p = put_be(p, n, 2);
	} else {
		*p++ = 0xc6;
		p = put_be(p, n, 4);
	}
	memcpy(p, b, n);
	return p + n;
}

static size_t str_size(size_t n) {
	return (n < 32 ? 1 : n <= 0xff ? 2 : n <= 0xffff ? 3 : 5) + n;
}

static uint8_t *put_str(uint8_t *p, const char *s, size_t n) {
	if (n < 32) {
		*p++ = (uint8_t)(0xa0 | n);
	} else if (n <= 0xff) {
		*p++ = 0xd9;
		p = put_be(p, n, 1);
	} else if (n <= 0xffff) {
		*p++ = 0xda;
		p = put_be(p, n, 2);
	} else {
		*p++ = 0xdb;
		p = put_be(p, n, 4);
	}
	memcpy(p, s, n);
	return p + n;
}

size_t slip_pack(uint8_t *buf, size_t len, size_t cap, const rd_kafka_message_t *m,
                 int64_t base_offset, int64_t base_timestamp, int64_t timestamp, size_t *need,
                 rd_kafka_resp_err_t *err) {
	rd_kafka_headers_t *hdrs = NULL;
	size_t nh = 0, hsize = 1;
	*need = 0;
	*err = rd_kafka_message_headers(m, &hdrs);
	if (*err && *err != RD_KAFKA_RESP_ERR__NOENT)
		return 0;
	*err = 0;
	if (hdrs)
		nh = rd_kafka_header_cnt(hdrs);
	if (nh) {
		hsize = nh < 16 ? 1 : nh <= 0xffff ? 3 : 5;
		for (size_t i = 0; i < nh; i++) {
			const char *name;
			const void *v;
			size_t n;
			if ((*err = rd_kafka_header_get_all(hdrs, i, &name, &v, &n)))
				return 0;
			hsize += 1 + str_size(strlen(name)) + bin_size(v, n);
		}
	}
	int64_t doff = m->offset - base_offset, dts = timestamp - base_timestamp;
	size_t body = 1 + int_size(doff) + int_size(dts) + bin_size(m->key, m->key_len) +
	              bin_size(m->payload, m->len) + hsize;
	if (cap - len < 5 + body) {
		*need = len + 5 + body;
		return 0;
	}
	uint8_t *p = buf + len;
	*p++ = 0xce;
	p = put_be(p, body, 4);
	*p++ = 0x95;
	p = put_int(p, doff);
	p = put_int(p, dts);
	p = put_bin(p, m->key, m->key_len);
	p = put_bin(p, m->payload, m->len);
	if (!nh) {
		*p++ = 0xc0;
	} else {
		if (nh < 16) {
			*p++ = (uint8_t)(0x90 | nh);
		} else if (nh <= 0xffff) {
			*p++ = 0xdc;
			p = put_be(p, nh, 2);
		} else {
			*p++ = 0xdd;
			p = put_be(p, nh, 4);
		}
		for (size_t i = 0; i < nh; i++) {
			const char *name;
			const void *v;
			size_t n;
			rd_kafka_header_get_all(hdrs, i, &name, &v, &n);
			*p++ = 0x92;
			p = put_str(p, name, strlen(name));
			p = put_bin(p, v, n);
		}
	}
	return (size_t)(p - buf);
}

static void set_error(slip_consumer *c, rd_kafka_resp_err_t code, const slip_slot *s,
                      int32_t partition, int64_t offset, const char *text) {
	c->err.code = code;
	c->err.topic = s ? s->topic_id : -1;
	c->err.partition = partition;
	c->err.offset = offset;
	snprintf(c->err.text, sizeof(c->err.text), "%s", text ? text : rd_kafka_err2str(code));
}

// take_error keeps what an error event says. It returns 0 when the event is
// nothing to tell: an end of partition, or a partition that left us.
static int take_error(slip_consumer *c, rd_kafka_event_t *ev) {
	rd_kafka_resp_err_t code = rd_kafka_event_error(ev);
	rd_kafka_topic_partition_t *tp = rd_kafka_event_topic_partition(ev);
	slip_slot *s = NULL;
	for (int i = 0; tp && i < c->nslots; i++)
		if (c->slots[i].partition == tp->partition && !strcmp(c->slots[i].topic, tp->topic))
			s = &c->slots[i];
	int ours = s || !tp;
	if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (s)
			met_eof(c, s, tp->offset);
		ours = 0;
	}
	if (ours)
		set_error(c, code, s, tp ? tp->partition : -1, tp ? tp->offset : -1001,
		          rd_kafka_event_error_string(ev));
	if (tp)
		rd_kafka_topic_partition_destroy(tp);
	return ours;
}

// slip_drain appends records to buf and runs until max_records, max_bytes or
// the end of what is there; it waits timeout_ms for the first one only. have
// counts the records in buf already. What it returns is SLIP_*; the batch up
// to there is valid in every case. A record that did not fit stays pending and
// is the first of the next call, which must follow at once with more room.
int slip_drain(slip_consumer *c, uint8_t *buf, size_t len, size_t cap, slip_run *runs, int nruns,
               int runs_cap, int have, int max_records, size_t max_bytes, int timeout_ms) {
	int result = SLIP_DONE;
	rd_kafka_event_t *ev = c->pending;
	const rd_kafka_message_t *m = c->pending_msg;
	// Run ends are valid at every return; topic handles are trusted only while
	// this call holds records of them.
	for (int i = 0; i < c->nslots; i++)
		c->slots[i].rkt = NULL;
	slip_run *run = nruns ? &runs[nruns - 1] : NULL;
	const rd_kafka_topic_t *rkt = NULL;
	c->need = 0;
	if (!ev && !have && rd_kafka_queue_length(c->events) > 0) {
		result = SLIP_EVENTS;
		goto out;
	}
	while (have < max_records && len < max_bytes) {
		if (!ev) {
			ev = rd_kafka_queue_poll(c->records, have ? 0 : timeout_ms);
			if (!ev) {
				if (!have && rd_kafka_queue_length(c->events) > 0)
					result = SLIP_EVENTS;
				break;
			}
			if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR) {
				int told = take_error(c, ev);
				rd_kafka_event_destroy(ev);
				ev = NULL;
				if (told) {
					result = SLIP_ERROR;
					break;
				}
				continue;
			}
			if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_FETCH ||
			    !(m = rd_kafka_event_message_next(ev))) {
				rd_kafka_event_destroy(ev);
				ev = NULL;
				continue;
			}
		}
		int fresh = !run || rkt != m->rkt || run->partition != m->partition ||
		            m->offset <= run->last_offset;
		slip_slot *s = NULL;
		if (fresh || m->err) {
			s = find_slot(c, m->rkt, m->partition);
			if (!s) {
				c->stale++;
				rd_kafka_event_destroy(ev);
				ev = NULL;
				continue;
			}
			// A grown buffer continues the run of the call before.
			if (run && run->topic == s->topic_id && run->partition == m->partition &&
			    m->offset > run->last_offset)
				fresh = 0;
			rkt = m->rkt;
		}
		if (m->err) {
			int told = m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF;
			if (!told)
				met_eof(c, s, m->offset);
			else
				set_error(c, m->err, s, m->partition, m->offset, rd_kafka_message_errstr(m));
			rd_kafka_event_destroy(ev);
			ev = NULL;
			if (told) {
				result = SLIP_ERROR;
				break;
			}
			continue;
		}
		if (fresh && nruns == runs_cap) {
			result = SLIP_RUNS;
			break;
		}
		rd_kafka_timestamp_type_t tstype;
		int64_t ts = rd_kafka_message_timestamp(m, &tstype);
		size_t need;
		rd_kafka_resp_err_t err;
		size_t end = slip_pack(buf, len, cap, m, fresh ? m->offset : run->base_offset,
		                       fresh ? ts : run->base_timestamp, ts, &need, &err);
		if (err) {
			s = find_slot(c, m->rkt, m->partition);
			set_error(c, err, s, m->partition, m->offset, "its headers cannot be read");
			rd_kafka_event_destroy(ev);
			ev = NULL;
			result = SLIP_ERROR;
			break;
		}
		if (!end) {
			c->need = need;
			result = SLIP_GROW;
			break;
		}
		if (fresh) {
			run = &runs[nruns++];
			run->topic = s->topic_id;
			run->partition = m->partition;
			run->base_offset = m->offset;
			run->base_timestamp = ts;
			run->count = 0;
			run->start = (ptrdiff_t)len;
		}
		run->last_offset = m->offset;
		run->count++;
		run->end = (ptrdiff_t)end;
		len = end;
		have++;
		rd_kafka_event_destroy(ev);
		ev = NULL;
	}
out:
	c->pending = ev;
	c->pending_msg = ev ? m : NULL;
	c->len = len;
	c->nruns = nruns;
	c->records_taken = have;
	return result;
}

int slip_list_add(rd_kafka_topic_partition_list_t *l, const char *topic, int32_t partition,
                   int64_t offset, const char *metadata, size_t metadata_size) {
	rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(l, topic, partition);
	tp->offset = offset;
	if (metadata_size) {
		// The list frees it with free().
		tp->metadata = malloc(metadata_size);
		if (!tp->metadata)
			return -1;
		memcpy(tp->metadata, metadata, metadata_size);
		tp->metadata_size = metadata_size;
	}
	return 0;
}

rd_kafka_resp_err_t slip_commit_start(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *l,
                                      rd_kafka_queue_t *reply) {
	return rd_kafka_commit_queue(rk, l, reply, NULL, NULL);
}

int slip_commit_wait(rd_kafka_queue_t *reply, int timeout_ms, rd_kafka_topic_partition_list_t *l,
                     slip_error *err) {
	rd_kafka_event_t *ev = rd_kafka_queue_poll(reply, timeout_ms);
	if (!ev)
		return 0;
	if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_OFFSET_COMMIT) {
		rd_kafka_event_destroy(ev);
		return 0;
	}
	err->code = rd_kafka_event_error(ev);
	if (err->code)
		snprintf(err->text, sizeof(err->text), "%s", rd_kafka_event_error_string(ev));
	rd_kafka_topic_partition_list_t *got = rd_kafka_event_topic_partition_list(ev);
	for (int i = 0; got && i < got->cnt; i++)
		for (int j = 0; j < l->cnt; j++)
			if (l->elems[j].partition == got->elems[i].partition &&
			    !strcmp(l->elems[j].topic, got->elems[i].topic))
				l->elems[j].err = got->elems[i].err;
	rd_kafka_event_destroy(ev);
	return 1;
}

void slip_event_read(rd_kafka_event_t *ev, slip_event *out) {
	memset(out, 0, sizeof(*out));
	out->type = rd_kafka_event_type(ev);
	switch (out->type) {
	case RD_KAFKA_EVENT_LOG:
		rd_kafka_event_log(ev, &out->facility, &out->text, &out->level);
		break;
	case RD_KAFKA_EVENT_STATS:
		out->text = rd_kafka_event_stats(ev);
		break;
	case RD_KAFKA_EVENT_ERROR:
		out->code = rd_kafka_event_error(ev);
		out->text = rd_kafka_event_error_string(ev);
		break;
	}
}
