package kafka

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
	Properties = properties
	Refused    = refused
)
