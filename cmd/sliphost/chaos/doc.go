// Package chaos kills, stops and starves real hosts, each a process, on real
// brokers while records arrive, and lets the checker judge what came out. It
// is all tests:
//
//	go test ./cmd/sliphost/chaos     the short form
//	make chaos                       the whole matrix, with a table at the end
//
// SLIPHOST_SEED repeats a run, SLIPHOST_KAFKA adds an Apache Kafka. The logs,
// journals and stores of a scenario that fails stay where its failure says.
package chaos
