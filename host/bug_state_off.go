//go:build !bug_state && (bug_dup || bug_loss || bug_order || bug_state)

package host

const bugState = false
