#include "shim.h"

#include <stdio.h>

// settle moves what the library answered to out and frees it.
static void settle(rd_kafka_error_t *e, slip_txn_result *out) {
	out->code = 0;
	out->fatal = out->retriable = out->abortable = 0;
	out->text[0] = 0;
	if (!e)
		return;
	out->code = rd_kafka_error_code(e);
	out->fatal = rd_kafka_error_is_fatal(e);
	out->retriable = rd_kafka_error_is_retriable(e);
	out->abortable = rd_kafka_error_txn_requires_abort(e);
	snprintf(out->text, sizeof(out->text), "%s", rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
}

void slip_txn(slip_producer *p, int call, int timeout_ms, slip_txn_result *out) {
	rd_kafka_t *rk = slip_producer_rk(p);
	rd_kafka_error_t *e = NULL;
	switch (call) {
	case SLIP_TXN_INIT:
		e = rd_kafka_init_transactions(rk, timeout_ms);
		break;
	case SLIP_TXN_BEGIN:
		e = rd_kafka_begin_transaction(rk);
		break;
	case SLIP_TXN_COMMIT:
		e = rd_kafka_commit_transaction(rk, timeout_ms);
		break;
	case SLIP_TXN_ABORT:
		e = rd_kafka_abort_transaction(rk, timeout_ms);
		break;
	}
	settle(e, out);
}

void slip_txn_offsets(slip_producer *p, const rd_kafka_topic_partition_list_t *offsets,
                      const void *group, size_t size, int timeout_ms, slip_txn_result *out) {
	rd_kafka_consumer_group_metadata_t *md = NULL;
	rd_kafka_error_t *e = rd_kafka_consumer_group_metadata_read(&md, group, size);
	if (!e)
		e = rd_kafka_send_offsets_to_transaction(slip_producer_rk(p), offsets, md, timeout_ms);
	if (md)
		rd_kafka_consumer_group_metadata_destroy(md);
	settle(e, out);
}

void slip_group_metadata(rd_kafka_t *rk, void **buf, size_t *size, slip_txn_result *out) {
	rd_kafka_consumer_group_metadata_t *md = rd_kafka_consumer_group_metadata(rk);
	settle(NULL, out);
	*buf = NULL;
	*size = 0;
	// Without a generation the broker checks nothing as long as the group has
	// no members: a member that was expelled would not be fenced.
	if (!md || rd_kafka_consumer_group_metadata_generation_id(md) < 0)
		out->code = RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
	else
		settle(rd_kafka_consumer_group_metadata_write(md, buf, size), out);
	if (!md)
		return;
	rd_kafka_consumer_group_metadata_destroy(md);
}

void slip_group_free(rd_kafka_t *rk, void *buf) { rd_kafka_mem_free(rk, buf); }
