//go:build !bug_dup && (bug_dup || bug_loss || bug_order || bug_state)

package host

const bugDup = false
