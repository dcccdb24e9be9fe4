package metrics

import "github.com/prometheus/client_golang/prometheus"

// family is a metric with all its series.
type family struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string
}

// histogram stands beside the kinds that the library names, which has none
// for it.
const histogram = prometheus.ValueType(-1)

// familyID is a family's place in the table.
type familyID int

// The families, in the order of the reference page.
const (
	buildInfo familyID = iota
	hostInfo
	hostState
	hostReady
	configGeneration
	hostRecords
	hostCommits
	hostRewinds
	hostAborts
	handlerInfo
	handlerRecords
	handlerOutputs
	handlerFailures
	handlerTraps
	handlerFuel
	handlerLastFuel
	handlerCodecErrors
	handlerDropped
	handlerSkipped
	handlerDeadLetters
	handlerLetterCodes
	handlerLate
	handlerRefused
	workerPartitions
	workerStopped
	workerWaiting
	workerUncommitted
	batchDuration
	commitDuration
	partitionCommitted
	partitionStopped
	workerTasks
	storeSuspended
	storeStaged
	storeUnwritten
	restoreRemaining
	restoredRecords
	cacheReads
	checkpointDown
	checkpointLag
	checkpointHeld
	checkpointPauses
	checkpointPaused
	checkpointDowntimes
	checkpointRecoveries
	checkpointSeeks
	kafkaLag
	kafkaFetchedRecords
	kafkaFetchedBytes
	kafkaQueuedRecords
	kafkaQueuedBytes
	kafkaLimitRecords
	kafkaLimitBytes
	kafkaOperations
	kafkaSentRecords
	kafkaReceivedRecords
	kafkaSentBytes
	kafkaReceivedBytes
	kafkaRebalances
	kafkaStatistics
	brokerUp
	brokerRTT
	brokerRequests
	brokerErrors
	familyCount
)

var (
	byHandler    = []string{"handler", "module"}
	byWorker     = []string{"worker", "cluster"}
	byPartition  = []string{"worker", "source", "partition"}
	byCheckpoint = []string{"checkpoint"}
	byDependency = []string{"checkpoint", "dependency", "partition"}
	byMember     = []string{"cluster", "worker"}
	byClient     = []string{"cluster", "kind", "worker"}
	byBroker     = []string{"cluster", "kind", "worker", "broker"}
)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// families is the table that registration and the reference page are made
// from. Nothing writes to it.
var families = [familyCount]family{
	buildInfo:        {"sliphost_build_info", gauge, []string{"version", "abi", "go"}, "Always 1; the labels tell the program's version, the version of the ABI it speaks and that of Go."},
	hostInfo:         {"sliphost_host_info", gauge, []string{"app"}, "Always 1; the label is the manifest's name."},
	hostState:        {"sliphost_host_state", gauge, []string{"state"}, "1 for the state the host is in, 0 for the others: starting, running, draining, stopped."},
	hostReady:        {"sliphost_host_ready", gauge, nil, "1 when all workers run and none drains, as /readyz says."},
	configGeneration: {"sliphost_config_generation", gauge, nil, "Number of the manifest that runs, counted from 1 at the start of the process."},
	hostRecords:      {"sliphost_host_records_total", counter, nil, "Input records whose effects are handed over."},
	hostCommits:      {"sliphost_host_commits_total", counter, nil, "Commits of input positions, all workers."},
	hostRewinds:      {"sliphost_host_rewinds_total", counter, nil, "Times that uncommitted work was given up, to be done again from the last commit."},
	hostAborts:       {"sliphost_host_aborts_total", counter, []string{"reason"}, "Rewinds by what caused them: refused (a broker refused an output), group (the group took partitions away), store (the state store failed), restart (clients were made anew), other."},

	handlerInfo:        {"sliphost_handler_info", gauge, []string{"handler", "module", "sha256"}, "Always 1; sha256 is the hash of the module that the handler runs."},
	handlerRecords:     {"sliphost_handler_records_total", counter, byHandler, "Records that the handler finished."},
	handlerOutputs:     {"sliphost_handler_outputs_total", counter, byHandler, "Records that the handler emitted."},
	handlerFailures:    {"sliphost_handler_failures_total", counter, byHandler, "Calls for a record that did not succeed, each try counted."},
	handlerTraps:       {"sliphost_handler_traps_total", counter, byHandler, "Traps of the module in calls for the handler."},
	handlerFuel:        {"sliphost_handler_fuel_total", counter, byHandler, "Fuel that the module used in calls for the handler: about instructions."},
	handlerLastFuel:    {"sliphost_handler_fuel_last_batch", gauge, byHandler, "Fuel of the last call for the handler, the most of any worker."},
	handlerCodecErrors: {"sliphost_handler_codec_errors_total", counter, byHandler, "Keys and values that a codec could not decode for the handler, or not encode of its outputs, each try counted."},
	handlerDropped:     {"sliphost_handler_dropped_records_total", counter, byHandler, "Records that the handler asked to drop."},
	handlerSkipped:     {"sliphost_handler_skipped_records_total", counter, byHandler, "Records passed over after their last try, by the policy skip."},
	handlerDeadLetters: {"sliphost_handler_dead_letters_total", counter, byHandler, "Records written to the dead-letter topic after their last try."},
	handlerLetterCodes: {"sliphost_handler_dead_letters_by_code_total", counter, []string{"handler", "code"}, "Records written to the dead-letter topic, by the code of the failure."},
	handlerLate:        {"sliphost_handler_late_records_total", counter, []string{"handler"}, "Records that came after their window had closed, as the handler's SDK counts them."},
	handlerRefused:     {"sliphost_handler_metrics_refused_total", counter, []string{"handler", "reason"}, "Metric calls of the handler without effect: limit (too many names), kind (the name is in use for another kind), value (a counter that would fall, or no number)."},

	workerPartitions:   {"sliphost_worker_partitions", gauge, byWorker, "Partitions that the worker owns, as of its last commit."},
	workerStopped:      {"sliphost_worker_stopped_partitions", gauge, byWorker, "Owned partitions that stand still because of a failure."},
	workerWaiting:      {"sliphost_worker_waiting_records", gauge, byWorker, "Records held back behind one that waits for its next try."},
	workerUncommitted:  {"sliphost_worker_uncommitted_records", gauge, byWorker, "Offsets between the committed and the next position of the owned partitions."},
	batchDuration:      {"sliphost_batch_duration_seconds", histogram, byWorker, "Time from a poll's return to the hand-over of its outputs."},
	commitDuration:     {"sliphost_commit_duration_seconds", histogram, byWorker, "Time that a whole commit takes: changelogs, acknowledgements, positions and the end of the transaction."},
	partitionCommitted: {"sliphost_partition_committed_offset", gauge, byPartition, "The group's committed position of an owned partition. It falls when the group is reset."},
	partitionStopped:   {"sliphost_partition_stopped", gauge, byPartition, "1 if the owned partition stands still because of a failure; /v1/status says which."},

	workerTasks:      {"sliphost_worker_tasks", gauge, []string{"worker", "cluster", "phase"}, "Tasks of the worker by phase: waiting (for inputs), restoring (their caches), running."},
	storeSuspended:   {"sliphost_store_suspended", gauge, byWorker, "1 while nothing is processed because the state store cannot be written, as on a full disk."},
	storeStaged:      {"sliphost_store_staged_bytes", gauge, byWorker, "Cache writes in the commit under way."},
	storeUnwritten:   {"sliphost_store_unwritten_bytes", gauge, byWorker, "Committed cache writes that are not on disk yet, as of the last commit."},
	restoreRemaining: {"sliphost_restore_remaining_records", gauge, byWorker, "Changelog offsets left to read before all tasks run."},
	restoredRecords:  {"sliphost_restore_records_total", counter, byWorker, "Changelog records read into the store."},
	cacheReads:       {"sliphost_cache_reads_total", counter, []string{"worker", "cluster", "result"}, "Reads of caches: hit from memory, miss from disk, as of the last commit."},

	checkpointDown:       {"sliphost_checkpoint_dependency_down", gauge, byDependency, "1 while the dependency is down for an owned partition of the dependent."},
	checkpointLag:        {"sliphost_checkpoint_marker_lag_seconds", gauge, byDependency, "How far the dependency's marker is behind the dependent's, below 0 if it is ahead; 1000 of integers are a second. Not there for text."},
	checkpointHeld:       {"sliphost_checkpoint_held_seconds", gauge, []string{"checkpoint", "partition"}, "For how long an owned partition of the dependent is held back now, 0 if it is not."},
	checkpointPauses:     {"sliphost_checkpoint_pauses_total", counter, byCheckpoint, "Pauses of a partition."},
	checkpointPaused:     {"sliphost_checkpoint_paused_seconds_total", counter, byCheckpoint, "Sum of the pauses that are over; what is held now is in sliphost_checkpoint_held_seconds."},
	checkpointDowntimes:  {"sliphost_checkpoint_downtimes_total", counter, byCheckpoint, "Downtimes found, by dependency and partition of the dependent."},
	checkpointRecoveries: {"sliphost_checkpoint_recoveries_total", counter, byCheckpoint, "Dependencies that were found up again, by partition of the dependent."},
	checkpointSeeks:      {"sliphost_checkpoint_seeks_total", counter, byCheckpoint, "Times that a partition of the dependent was sent back."},

	kafkaLag:             {"sliphost_kafka_lag_records", gauge, []string{"cluster", "topic", "partition"}, "Records between the committed position and the end of an owned partition."},
	kafkaFetchedRecords:  {"sliphost_kafka_fetched_records", gauge, byMember, "Records that the consumer has fetched ahead."},
	kafkaFetchedBytes:    {"sliphost_kafka_fetched_bytes", gauge, byMember, "Size of the records that the consumer has fetched ahead."},
	kafkaQueuedRecords:   {"sliphost_kafka_queued_records", gauge, byMember, "Records handed to the producer that no broker has acknowledged."},
	kafkaQueuedBytes:     {"sliphost_kafka_queued_bytes", gauge, byMember, "Size of the records that no broker has acknowledged."},
	kafkaLimitRecords:    {"sliphost_kafka_queue_limit_records", gauge, byMember, "Number of unacknowledged records at which the producer waits."},
	kafkaLimitBytes:      {"sliphost_kafka_queue_limit_bytes", gauge, byMember, "Size of unacknowledged records at which the producer waits."},
	kafkaOperations:      {"sliphost_kafka_client_operations", gauge, byClient, "Events of the client that wait for the worker."},
	kafkaSentRecords:     {"sliphost_kafka_sent_records_total", counter, byClient, "Records that the client sent, repeats included."},
	kafkaReceivedRecords: {"sliphost_kafka_received_records_total", counter, byClient, "Records that the client received."},
	kafkaSentBytes:       {"sliphost_kafka_sent_bytes_total", counter, byClient, "Bytes of all requests."},
	kafkaReceivedBytes:   {"sliphost_kafka_received_bytes_total", counter, byClient, "Bytes of all answers."},
	kafkaRebalances:      {"sliphost_kafka_rebalances_total", counter, byMember, "Assignments that the group has given the member."},
	kafkaStatistics:      {"sliphost_kafka_statistics_timestamp_seconds", gauge, byClient, "When the client last reported; all values of Kafka clients are from then."},
	brokerUp:             {"sliphost_kafka_broker_up", gauge, byBroker, "1 if the client is connected to the broker. It connects to those it needs."},
	brokerRTT:            {"sliphost_kafka_broker_rtt_seconds", gauge, []string{"cluster", "kind", "worker", "broker", "stat"}, "Round trips since the report before: stat is avg, p99 or max."},
	brokerRequests:       {"sliphost_kafka_broker_requests", gauge, []string{"cluster", "kind", "worker", "broker", "state"}, "Requests to the broker: state is queued (not sent) or waiting (not answered)."},
	brokerErrors:         {"sliphost_kafka_broker_errors_total", counter, byBroker, "Failed requests and broken connections."},
}

// sections are the headings of the reference page and where they start.
var sections = []struct {
	first familyID
	title string
}{
	{buildInfo, "Host"},
	{handlerInfo, "Handlers"},
	{workerPartitions, "Workers and partitions"},
	{workerTasks, "Tasks and caches"},
	{checkpointDown, "Checkpoints"},
	{kafkaLag, "Kafka clients"},
}
