// The C side of package kafka: a consumer's batched drain and a producer.
// See DESIGN.md for threads and ownership.
#ifndef SLIP_SHIM_H
#define SLIP_SHIM_H

#include "rdkafka.h"

// slip_missing returns the name of a librdkafka function that the program was
// linked without, or NULL.
const char *slip_missing(void);

// slip_run has the layout of abi.Run.
typedef struct {
	int32_t topic, partition;
	int64_t base_offset, base_timestamp, last_offset;
	int32_t count;
	ptrdiff_t start, end;
} slip_run;

enum {
	SLIP_DONE = 0,   // the batch is as full as it gets for now
	SLIP_EVENTS = 1, // the consumer's own queue has events; call its Poll first
	SLIP_GROW = 2,   // the next record needs a buffer of slip_consumer.need bytes
	SLIP_RUNS = 3,   // the next record needs one more run
	SLIP_ERROR = 4,  // slip_consumer.err says what came instead of a record
};

typedef struct {
	rd_kafka_resp_err_t code;
	int32_t topic, partition; // topic is -1 when the error is not about one
	int64_t offset;
	char text[512];
} slip_error;

typedef struct {
	char *topic;
	int32_t topic_id, partition;
	const rd_kafka_topic_t *rkt; // learned from records, trusted for one call
	rd_kafka_queue_t *queue;     // forwarded to the private queue
	int64_t eof;                 // offset of the last end of partition met, or -1
	int eof_told;                // slip_take_eof has returned it
} slip_slot;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_queue_t *events;  // the consumer's own queue
	rd_kafka_queue_t *records; // all partitions' queues are forwarded here
	slip_slot *slots;
	int nslots, cap;

	rd_kafka_event_t *pending; // a record taken that did not fit
	const rd_kafka_message_t *pending_msg;

	// results of the last slip_drain
	size_t len;
	int nruns;
	int records_taken;
	int ends; // ends of partitions that slip_take_eof has not returned
	size_t need;
	int64_t stale; // records dropped since the start: not ours any more
	slip_error err;
} slip_consumer;

slip_consumer *slip_consumer_new(rd_kafka_t *rk);
void slip_consumer_free(slip_consumer *c);
int slip_assign(slip_consumer *c, const char *topic, int32_t topic_id, int32_t partition);
void slip_unassign(slip_consumer *c, int32_t topic_id, int32_t partition);
void slip_forward_again(slip_consumer *c);
int64_t slip_eof(slip_consumer *c, int32_t topic_id, int32_t partition);
// slip_forget_eof forgets the end met, because reading goes on elsewhere.
void slip_forget_eof(slip_consumer *c, int32_t topic_id, int32_t partition);
// slip_take_eof returns 1 and an end of partition met since it was last asked,
// or 0 when there is none left. What lies before an end was drained before it.
int slip_take_eof(slip_consumer *c, int32_t *topic_id, int32_t *partition, int64_t *offset);
int slip_drain(slip_consumer *c, uint8_t *buf, size_t len, size_t cap, slip_run *runs, int nruns,
               int runs_cap, int have, int max_records, size_t max_bytes, int timeout_ms);

// slip_pack appends one message to buf; it returns the new length, or 0 with
// *need set when cap is too small, or 0 with *err set.
size_t slip_pack(uint8_t *buf, size_t len, size_t cap, const rd_kafka_message_t *m,
                 int64_t base_offset, int64_t base_timestamp, int64_t timestamp, size_t *need,
                 rd_kafka_resp_err_t *err);

// slip_commit_start begins a commit whose answer comes to *reply.
rd_kafka_resp_err_t slip_commit_start(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *l,
                                      rd_kafka_queue_t *reply);
int slip_list_add(rd_kafka_topic_partition_list_t *l, const char *topic, int32_t partition,
                   int64_t offset, const char *metadata, size_t metadata_size);
// slip_commit_wait returns 0 while there is no answer yet, 1 when *err and the
// list's errors are filled in.
int slip_commit_wait(rd_kafka_queue_t *reply, int timeout_ms, rd_kafka_topic_partition_list_t *l,
                     slip_error *err);

// --- producer ---

typedef struct slip_producer slip_producer;

enum {
	SLIP_SENT = 0,
	SLIP_FULL = 1,    // the client's queue is full
	SLIP_REFUSED = 2, // slip_sent.code says why the record at .used was refused
};

// slip_head stands in front of each staged record; key, value and headers
// follow it back to back. A length of -1 is null.
typedef struct {
	int32_t topic, partition;
	int64_t timestamp;
	int32_t key, value, headers, pad;
} slip_head;

typedef struct {
	size_t used;    // bytes of the stage that are done with
	int64_t count;  // records handed over by this call
	rd_kafka_resp_err_t code;
	char text[512];
} slip_sent;

// The outcome of the records sent so far.
typedef struct {
	int64_t sent, acked;
	// Since slip_producer_forget: how many were refused, how many were given up
	// because their transaction had failed already, and the first refusal, or
	// the first given up when there is no refusal.
	int64_t failed, purged;
	rd_kafka_resp_err_t code;
	int64_t ordinal; // which record since slip_producer_forget, from 0
	int32_t partition;
	char topic[256];
	char text[512];
} slip_outcome;

slip_producer *slip_producer_new(rd_kafka_conf_t *conf, int transactional, char *errstr,
                                 size_t size);
rd_kafka_t *slip_producer_rk(slip_producer *p);
int32_t slip_producer_topic(slip_producer *p, const char *name);
int slip_producer_send(slip_producer *p, const uint8_t *stage, size_t len, slip_sent *out);
// slip_producer_serve handles delivery reports for at most timeout_ms and
// returns early with an event that Go has to look at, or NULL.
rd_kafka_event_t *slip_producer_serve(slip_producer *p, int timeout_ms);
// slip_producer_prime asks a broker for metadata and drops the answer; it
// returns 0 when there was one.
int slip_producer_prime(slip_producer *p, int timeout_ms);
void slip_producer_wake(slip_producer *p);
// slip_producer_wait waits until more records than acked are answered.
void slip_producer_wait(slip_producer *p, int64_t acked, int timeout_ms);
// slip_producer_flush waits until all records sent are answered; it returns 1
// when they are.
int slip_producer_flush(slip_producer *p, int timeout_ms);
void slip_producer_outcome(slip_producer *p, slip_outcome *o);
void slip_producer_forget(slip_producer *p);
// slip_producer_delivered returns the offset behind the last record of a topic's
// partition that was acknowledged, or -1.
int64_t slip_producer_delivered(slip_producer *p, int32_t topic, int32_t partition);
// slip_producer_purge makes the records that are not acknowledged fail at once.
void slip_producer_purge(slip_producer *p);
void slip_producer_free(slip_producer *p);

// --- transactions ---

enum { SLIP_TXN_INIT, SLIP_TXN_BEGIN, SLIP_TXN_COMMIT, SLIP_TXN_ABORT };

// What a call about a transaction came to; code is 0 when it succeeded.
typedef struct {
	rd_kafka_resp_err_t code;
	int fatal, retriable, abortable;
	char text[512];
} slip_txn_result;

void slip_txn(slip_producer *p, int call, int timeout_ms, slip_txn_result *out);
// slip_txn_offsets sends offsets under the membership that slip_group_metadata
// wrote.
void slip_txn_offsets(slip_producer *p, const rd_kafka_topic_partition_list_t *offsets,
                      const void *group, size_t size, int timeout_ms, slip_txn_result *out);
// slip_group_metadata writes a consumer's membership to *buf, to be freed with
// slip_group_free.
void slip_group_metadata(rd_kafka_t *rk, void **buf, size_t *size, slip_txn_result *out);
void slip_group_free(rd_kafka_t *rk, void *buf);

// --- events and configuration, for Go ---

typedef struct {
	int type;
	rd_kafka_resp_err_t code;
	const char *text;
	const char *facility;
	int level;
} slip_event;
void slip_event_read(rd_kafka_event_t *ev, slip_event *out);

#endif
