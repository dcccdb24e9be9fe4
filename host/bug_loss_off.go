//go:build !bug_loss && (bug_dup || bug_loss || bug_order || bug_state)

package host

const bugLoss = false
