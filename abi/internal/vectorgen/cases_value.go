package main

import "strings"

// valueCases is what a reader that keeps or passes over a value of free form
// must take and must not.
func valueCases() []vector {
	kept := func(name, wire string) vector {
		return vector{name: name, class: "liberal", wire: unhex(wire), value: raw{hexed(wire)}}
	}
	return []vector{
		kept("nil", "c0"), kept("false", "c2"), kept("true", "c3"),
		kept("fixint", "7f"), kept("negative fixint", "e0"),
		kept("uint 8", "ccff"), kept("uint 16", "cdffff"), kept("uint 32", "ceffffffff"), kept("uint 64", "cfffffffffffffffff"),
		kept("int 8", "d080"), kept("int 16", "d18000"), kept("int 32", "d280000000"), kept("int 64", "d38000000000000000"),
		kept("float 32", "ca7fc00000"), kept("float 64", "cb7ff8000000000000"),
		kept("fixstr", "a2c3a9"), kept("str 8", "d90161"), kept("str 16", "da000161"), kept("str 32", "db0000000161"),
		kept("str that is not UTF-8", "a1ff"),
		kept("bin 8", "c40161"), kept("bin 16", "c5000161"), kept("bin 32", "c60000000161"),
		kept("fixext 1", "d40100"), kept("fixext 2", "d5010000"), kept("fixext 4", "d60100000000"),
		kept("fixext 8", "d7010000000000000000"), kept("fixext 16", "d801"+strings.Repeat("00", 16)),
		kept("ext 8", "c70001"), kept("ext 16", "c8000101ff"), kept("ext 32", "c90000000201ffff"),
		kept("fixarray", "92c001"), kept("array 16", "dc0001c0"), kept("array 32", "dd00000001c0"),
		kept("fixmap", "8201020304"), kept("map 16", "de0001c0c0"), kept("map 32", "df00000001c0c0"),
		kept("map with an array as key", "819101c0"),
		kept("64 arrays, nil inside", string(nested(64))),
		kept("64 arrays, the last empty", strings.Repeat("91", 63)+"90"),
		kept("64 maps", strings.Repeat("8100", 63)+"80"),
		kept("two branches 64 deep", "92"+strings.Repeat("91", 62)+"90"+strings.Repeat("91", 62)+"90"),
		reject("empty", "", 0, "value"),
		reject("0xc1", "c1", 0, "a msgpack value"),
		reject("0xc1 inside", "91c1", 1, "a msgpack value"),
		reject("65 arrays", string(nested(65)), 64, "a value nested at most 64 deep"),
		reject("65 arrays, the last empty", strings.Repeat("91", 64)+"90", 64, "a value nested at most 64 deep"),
		reject("65 maps", strings.Repeat("8100", 64)+"80", 128, "a value nested at most 64 deep"),
		reject("65 levels in a key", "81"+string(nested(64))+"c0", 64, "a value nested at most 64 deep"),
		reject("2000 arrays", string(nested(2000)), 64, "a value nested at most 64 deep"),
		reject("uint 8 cut off", "cc", 0, "a value that ends within the message"),
		reject("uint 16 cut off", "cdff", 0, "a value that ends within the message"),
		reject("float 64 cut off", "cb00000000000000", 0, "a value that ends within the message"),
		reject("fixext cut off", "d80100", 0, "a value that ends within the message"),
		reject("ext 8 without its type", "c700", 0, "a value that ends within the message"),
		reject("ext 32 beyond the bytes", "c9ffffffff01", 0, "a value that ends within the message"),
		reject("str 8 without length", "d9", 0, "byte string or nil"),
		reject("str 32 beyond the bytes", "dbffffffff00", 0, "a byte string that ends within the message"),
		reject("bin 16 beyond the bytes", "c5000200", 0, "a byte string that ends within the message"),
		reject("array 32 beyond the bytes", "ddffffffffc0", 0, "an array that ends within the message"),
		reject("map 32 beyond the bytes", "dfffffffffc0c0", 0, "a map that ends within the message"),
		reject("map with half a pair", "81c0", 0, "a map that ends within the message"),
		reject("element missing", "92c0", 0, "an array that ends within the message"),
		reject("element cut off", "92c0a161"[:6], 2, "a byte string that ends within the message"),
		reject("bytes behind the value", "c0c0", 1, "the end of the message"),
	}
}
