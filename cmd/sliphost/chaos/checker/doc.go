// Package checker says whether what a host wrote follows from what it read:
// every record once, in order, atomically, with the right state, whatever was
// killed meanwhile. It knows nothing of the host: the expected outputs and
// caches come from the input topic, read back, by a model of the handlers of
// the guest chaos.
//
// The checks, by the names that findings carry:
//
//	C1  loss: an output that the input calls for is missing
//	C2  duplicates: an output is there more often than the input calls for
//	C3  order: outputs of a key, or of a partition, out of the input's order
//	C4  atomicity: outputs, changelogs, dead letters and offsets of one input
//	    record in more than one transaction, also as seen during the faults
//	C5  state: the changelogs' fold, or a store's dump, is not the model's
//	C6  offsets: what is committed is not what was processed
//	C7  aborted reads: an output of an input that was never committed
//	C8  the faults aborted nothing: the run has proved nothing
//	C9  liveness: no progress for too long outside declared outages
//	I9  dead letters: not exactly once, or not the original bytes
package checker
