//go:build bug_dup

package host

const bugDup = true
