//go:build !bug_order && (bug_dup || bug_loss || bug_order || bug_state)

package host

const bugOrder = false
