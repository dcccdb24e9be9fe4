// The part of librdkafka's public C interface that this package calls itself.
//
// The library is linked by confluent-kafka-go, which bundles it but does not
// let other packages include its header. So the few declarations needed stand
// here, all weak: the link of this package alone succeeds without the library,
// the final link resolves them from the bundled archive, and slip_missing()
// names the first one that did not resolve, before anything is called.
#ifndef SLIP_RDKAFKA_H
#define SLIP_RDKAFKA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_op_s rd_kafka_event_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;
struct rd_kafka_metadata; // never looked into

// Enumerations travel as int: that is what the compiler makes of them.
typedef int rd_kafka_resp_err_t;
typedef int rd_kafka_timestamp_type_t;

typedef struct rd_kafka_message_s {
	rd_kafka_resp_err_t err;
	rd_kafka_topic_t *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
} rd_kafka_message_t;

typedef struct rd_kafka_topic_partition_s {
	char *topic;
	int32_t partition;
	int64_t offset;
	void *metadata;
	size_t metadata_size;
	void *opaque;
	rd_kafka_resp_err_t err;
	void *_private;
} rd_kafka_topic_partition_t;

typedef struct rd_kafka_topic_partition_list_s {
	int cnt;
	int size;
	rd_kafka_topic_partition_t *elems;
} rd_kafka_topic_partition_list_t;

typedef struct rd_kafka_vu_s {
	int vtype;
	union {
		rd_kafka_topic_t *rkt;
		int i;
		int32_t i32;
		int64_t i64;
		struct {
			void *ptr;
			size_t size;
		} mem;
		rd_kafka_headers_t *headers;
		void *ptr;
		char _pad[64];
	} u;
} rd_kafka_vu_t;

enum {
	RD_KAFKA_VTYPE_RKT = 2,
	RD_KAFKA_VTYPE_PARTITION = 3,
	RD_KAFKA_VTYPE_VALUE = 4,
	RD_KAFKA_VTYPE_KEY = 5,
	RD_KAFKA_VTYPE_OPAQUE = 6,
	RD_KAFKA_VTYPE_MSGFLAGS = 7,
	RD_KAFKA_VTYPE_TIMESTAMP = 8,
	RD_KAFKA_VTYPE_HEADERS = 10,

	RD_KAFKA_MSG_F_COPY = 0x2,

	RD_KAFKA_EVENT_NONE = 0,
	RD_KAFKA_EVENT_DR = 0x1,
	RD_KAFKA_EVENT_FETCH = 0x2,
	RD_KAFKA_EVENT_LOG = 0x4,
	RD_KAFKA_EVENT_ERROR = 0x8,
	RD_KAFKA_EVENT_OFFSET_COMMIT = 0x20,
	RD_KAFKA_EVENT_STATS = 0x40,

	RD_KAFKA_PRODUCER = 0,

	RD_KAFKA_CONF_UNKNOWN = -2,
	RD_KAFKA_CONF_OK = 0,

	RD_KAFKA_PURGE_F_QUEUE = 0x1,
	RD_KAFKA_PURGE_F_INFLIGHT = 0x2,

	RD_KAFKA_RESP_ERR_NO_ERROR = 0,
	RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID = 25,
	RD_KAFKA_RESP_ERR__INVALID_ARG = -186,
	RD_KAFKA_RESP_ERR__TIMED_OUT = -185,
	RD_KAFKA_RESP_ERR__QUEUE_FULL = -184,
	RD_KAFKA_RESP_ERR__NOENT = -156,
	RD_KAFKA_RESP_ERR__PARTITION_EOF = -191,
	RD_KAFKA_RESP_ERR__NO_OFFSET = -168,
	RD_KAFKA_RESP_ERR__PURGE_QUEUE = -152,
	RD_KAFKA_RESP_ERR__PURGE_INFLIGHT = -151,
	RD_KAFKA_RESP_ERR__INCONSISTENT = -149,
};

// SLIP_RDKAFKA lists every function used: X(result, name, parameters).
#define SLIP_RDKAFKA(X)                                                                            \
	X(const char *, rd_kafka_name, (const rd_kafka_t *))                                           \
	X(const char *, rd_kafka_err2str, (rd_kafka_resp_err_t))                                       \
	X(const char *, rd_kafka_topic_name, (const rd_kafka_topic_t *))                               \
	X(rd_kafka_queue_t *, rd_kafka_queue_new, (rd_kafka_t *))                                      \
	X(void, rd_kafka_queue_destroy, (rd_kafka_queue_t *))                                          \
	X(rd_kafka_queue_t *, rd_kafka_queue_get_consumer, (rd_kafka_t *))                             \
	X(rd_kafka_queue_t *, rd_kafka_queue_get_main, (rd_kafka_t *))                                 \
	X(rd_kafka_queue_t *, rd_kafka_queue_get_partition, (rd_kafka_t *, const char *, int32_t))     \
	X(void, rd_kafka_queue_forward, (rd_kafka_queue_t *, rd_kafka_queue_t *))                      \
	X(size_t, rd_kafka_queue_length, (rd_kafka_queue_t *))                                         \
	X(void, rd_kafka_queue_yield, (rd_kafka_queue_t *))                                            \
	X(void, rd_kafka_queue_cb_event_enable,                                                        \
	  (rd_kafka_queue_t *, void (*)(rd_kafka_t *, void *), void *))                                \
	X(rd_kafka_event_t *, rd_kafka_queue_poll, (rd_kafka_queue_t *, int))                          \
	X(int, rd_kafka_event_type, (const rd_kafka_event_t *))                                        \
	X(void, rd_kafka_event_destroy, (rd_kafka_event_t *))                                          \
	X(const rd_kafka_message_t *, rd_kafka_event_message_next, (rd_kafka_event_t *))               \
	X(rd_kafka_resp_err_t, rd_kafka_event_error, (rd_kafka_event_t *))                             \
	X(const char *, rd_kafka_event_error_string, (rd_kafka_event_t *))                             \
	X(const char *, rd_kafka_event_stats, (rd_kafka_event_t *))                                    \
	X(int, rd_kafka_event_log, (rd_kafka_event_t *, const char **, const char **, int *))          \
	X(rd_kafka_topic_partition_t *, rd_kafka_event_topic_partition, (rd_kafka_event_t *))          \
	X(rd_kafka_topic_partition_list_t *, rd_kafka_event_topic_partition_list,                      \
	  (rd_kafka_event_t *))                                                                        \
	X(void, rd_kafka_topic_partition_destroy, (rd_kafka_topic_partition_t *))                      \
	X(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_new, (int))                 \
	X(rd_kafka_topic_partition_t *, rd_kafka_topic_partition_list_add,                             \
	  (rd_kafka_topic_partition_list_t *, const char *, int32_t))                                  \
	X(void, rd_kafka_topic_partition_list_destroy, (rd_kafka_topic_partition_list_t *))            \
	X(rd_kafka_resp_err_t, rd_kafka_commit_queue,                                                  \
	  (rd_kafka_t *, const rd_kafka_topic_partition_list_t *, rd_kafka_queue_t *,                  \
	   void (*)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *),     \
	   void *))                                                                                    \
	X(int64_t, rd_kafka_message_timestamp,                                                         \
	  (const rd_kafka_message_t *, rd_kafka_timestamp_type_t *))                                   \
	X(rd_kafka_resp_err_t, rd_kafka_message_headers,                                               \
	  (const rd_kafka_message_t *, rd_kafka_headers_t **))                                         \
	X(size_t, rd_kafka_header_cnt, (const rd_kafka_headers_t *))                                   \
	X(rd_kafka_resp_err_t, rd_kafka_header_get_all,                                                \
	  (const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *))                \
	X(rd_kafka_headers_t *, rd_kafka_headers_new, (size_t))                                        \
	X(void, rd_kafka_headers_destroy, (rd_kafka_headers_t *))                                      \
	X(rd_kafka_resp_err_t, rd_kafka_header_add,                                                    \
	  (rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t))                        \
	X(rd_kafka_conf_t *, rd_kafka_conf_new, (void))                                                \
	X(void, rd_kafka_conf_destroy, (rd_kafka_conf_t *))                                            \
	X(int, rd_kafka_conf_set, (rd_kafka_conf_t *, const char *, const char *, char *, size_t))     \
	X(void, rd_kafka_conf_set_events, (rd_kafka_conf_t *, int))                                    \
	X(const char **, rd_kafka_conf_dump, (rd_kafka_conf_t *, size_t *))                            \
	X(const char **, rd_kafka_topic_conf_dump, (rd_kafka_topic_conf_t *, size_t *))                \
	X(rd_kafka_topic_conf_t *, rd_kafka_topic_conf_new, (void))                                    \
	X(void, rd_kafka_topic_conf_destroy, (rd_kafka_topic_conf_t *))                                \
	X(void, rd_kafka_conf_dump_free, (const char **, size_t))                                      \
	X(rd_kafka_t *, rd_kafka_new, (int, rd_kafka_conf_t *, char *, size_t))                        \
	X(void, rd_kafka_destroy, (rd_kafka_t *))                                                      \
	X(rd_kafka_resp_err_t, rd_kafka_set_log_queue, (rd_kafka_t *, rd_kafka_queue_t *))             \
	X(rd_kafka_topic_t *, rd_kafka_topic_new,                                                      \
	  (rd_kafka_t *, const char *, rd_kafka_topic_conf_t *))                                       \
	X(void, rd_kafka_topic_destroy, (rd_kafka_topic_t *))                                          \
	X(rd_kafka_error_t *, rd_kafka_produceva, (rd_kafka_t *, const rd_kafka_vu_t *, size_t))       \
	X(rd_kafka_resp_err_t, rd_kafka_error_code, (const rd_kafka_error_t *))                        \
	X(const char *, rd_kafka_error_string, (const rd_kafka_error_t *))                             \
	X(void, rd_kafka_error_destroy, (rd_kafka_error_t *))                                          \
	X(rd_kafka_resp_err_t, rd_kafka_flush, (rd_kafka_t *, int))                                    \
	X(rd_kafka_resp_err_t, rd_kafka_purge, (rd_kafka_t *, int))                                    \
	X(rd_kafka_resp_err_t, rd_kafka_metadata,                                                      \
	  (rd_kafka_t *, int, rd_kafka_topic_t *, const struct rd_kafka_metadata **, int))             \
	X(void, rd_kafka_metadata_destroy, (const struct rd_kafka_metadata *))                         \
	X(int, rd_kafka_outq_len, (rd_kafka_t *))                                                      \
	X(rd_kafka_resp_err_t, rd_kafka_fatal_error, (rd_kafka_t *, char *, size_t))                   \
	X(const char *, rd_kafka_message_errstr, (const rd_kafka_message_t *))                         \
	X(int, rd_kafka_error_is_fatal, (const rd_kafka_error_t *))                                    \
	X(int, rd_kafka_error_is_retriable, (const rd_kafka_error_t *))                                \
	X(int, rd_kafka_error_txn_requires_abort, (const rd_kafka_error_t *))                          \
	X(rd_kafka_error_t *, rd_kafka_init_transactions, (rd_kafka_t *, int))                         \
	X(rd_kafka_error_t *, rd_kafka_begin_transaction, (rd_kafka_t *))                              \
	X(rd_kafka_error_t *, rd_kafka_send_offsets_to_transaction,                                    \
	  (rd_kafka_t *, const rd_kafka_topic_partition_list_t *,                                      \
	   const rd_kafka_consumer_group_metadata_t *, int))                                           \
	X(rd_kafka_error_t *, rd_kafka_commit_transaction, (rd_kafka_t *, int))                        \
	X(rd_kafka_error_t *, rd_kafka_abort_transaction, (rd_kafka_t *, int))                         \
	X(rd_kafka_consumer_group_metadata_t *, rd_kafka_consumer_group_metadata, (rd_kafka_t *))      \
	X(void, rd_kafka_consumer_group_metadata_destroy, (rd_kafka_consumer_group_metadata_t *))      \
	X(int32_t, rd_kafka_consumer_group_metadata_generation_id,                                     \
	  (const rd_kafka_consumer_group_metadata_t *))                                                \
	X(rd_kafka_error_t *, rd_kafka_consumer_group_metadata_write,                                  \
	  (const rd_kafka_consumer_group_metadata_t *, void **, size_t *))                             \
	X(rd_kafka_error_t *, rd_kafka_consumer_group_metadata_read,                                   \
	  (rd_kafka_consumer_group_metadata_t **, const void *, size_t))                               \
	X(void, rd_kafka_mem_free, (rd_kafka_t *, void *))

#define SLIP_DECLARE(result, name, params) extern result name params __attribute__((weak));
SLIP_RDKAFKA(SLIP_DECLARE)
#undef SLIP_DECLARE

#endif
