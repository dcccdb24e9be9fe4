// Package golden runs golden tests of manifests: given inputs, expected
// outputs and contents of caches. It is the engine of `sliphost test`.
// Reference describes the files.
//
// A test is deterministic: one worker, the broker of package hosttest, and a
// clock that moves only when there is nothing to do, by as much as the engine
// wants to wait. See feed.
package golden
