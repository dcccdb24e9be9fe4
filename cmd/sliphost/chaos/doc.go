// Package chaos kills, stops and starves real hosts, each a process, on real
// brokers while records arrive, and lets the checker judge what came out. It
// is all tests:
//
//	go test ./cmd/sliphost/chaos     the short form, about a minute
//	make chaos                       the whole matrix, with a table at the end
//
// The matrix is every scenario, on the embedded broker and, where SLIPHOST_KAFKA
// names one (`make kafka` starts it), on an Apache Kafka, with the handlers
// written in Go and in Rust:
//
//	P1  two hosts share the partitions; one, or both, are killed at random times
//	P2  a host kills itself at each named place of the protocol (crashpoint.At)
//	P3  a host is stopped, another takes over, the first goes on
//	P4  clean stops, which abort nothing
//	P5  a host is killed and never comes back, its disk is lost
//	G1  three hosts come and go
//	G2  members are put out of the group by LeaveGroup
//	D1  the disk of the state directory fills and empties
//	D3  files of the store are changed, cut short or deleted
//	D5  the state directory is put back to what it was before
//	C1  hosts with a checkpoint are killed in its pauses, recoveries and seeks
//	C2  a host kills itself at each named place of what a checkpoint does
//	B1  the broker is killed and started again; Apache Kafka only
//
// C1 and C2 have an application of their own, judged by a model of it event by
// event (checkpointmodel_test.go), which has its own control.
//
// Then there are the controls, on which the checker has to fail: hosts with a seeded bug
// (build tags bug_dup, bug_loss, bug_order, bug_state), and one that delivers at
// least once.
//
// A run prints its seed. SLIPHOST_SEED repeats it, with -run for one scenario
// alone, as its failure says; how threads and processes meet is not part of a
// seed, so SLIPHOST_ROUNDS, the faults of each scenario, may have to grow until
// it shows again. The logs, journals and stores of a scenario that fails stay
// where its failure says. The short form runs the scenarios beside each other;
// SLIPHOST_CHAOS=full is the matrix.
package chaos
