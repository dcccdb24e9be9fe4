// Package rocksdb is the state.Engine on disk: one RocksDB with a column
// family per family of the engine.
//
// A directory belongs to the engine if it holds the file SLIPHOST, which is
// also the lock between processes; nothing is ever written to or removed from
// another one that is not empty. Beside it lie RocksDB's own files.
//
// All families are flushed together, so what is on disk without the write-ahead
// log is one state of all of them. Each batch also replaces a number in the
// family "default": if a part of the history is missing in the middle, because
// a file went or was cut, two numbers are left, and opening finds that out.
// Every other check is RocksDB's, by checksums.
package rocksdb
