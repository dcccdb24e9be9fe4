//go:build bug_loss

package host

const bugLoss = true
