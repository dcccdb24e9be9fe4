package state

// KeyType is the type of a cache's keys.
type KeyType uint8

// Types of keys.
const (
	KeyBytes KeyType = iota
	KeyString
	KeyInt
	KeyFloat
	KeyBool
)
