//go:build bug_state

package host

const bugState = true
