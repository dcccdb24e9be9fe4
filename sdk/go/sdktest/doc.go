// Package sdktest holds the guests that both SDKs have under the same names
// (guests/) and the tests that run the Go ones as WebAssembly.
package sdktest
