//go:build bug_order

package host

const bugOrder = true
