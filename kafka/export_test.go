package kafka

import "strings"

// NewConsumerBy makes a consumer on the path named, whatever the build tag.
func NewConsumerBy(cfg ConsumerConfig, plain bool) (*Consumer, error) { return newConsumer(cfg, plain) }

// Stale returns how many records the drain dropped because their partition
// had left.
func (c *Consumer) Stale() int64 {
	if c.c == nil {
		return 0
	}
	return int64(c.c.stale)
}

var (
	Properties        = properties
	Refused           = refused
	LibraryProperties = libraryProperties
	KnowsProperty     = knowsProperty
	CheckLink         = checkLink
)

// IsPointer tells the properties that only C code can set.
func IsPointer(name string) bool {
	return strings.HasSuffix(name, "_cb") || name == "opaque" || name == "default_topic_conf" || name == "enabled_events"
}
