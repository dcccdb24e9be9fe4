package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of Kafka clients.
const (
	KindConsumer = "consumer"
	KindProducer = "producer"
)

// clients shows the Kafka clients.
func (s *scrape) clients(all []Client) {
	for i := range all {
		c := &all[i]
		s.put(kafkaOperations, float64(c.Operations), c.Cluster, c.Kind, c.Worker)
		s.put(kafkaSentRecords, float64(c.SentRecords), c.Cluster, c.Kind, c.Worker)
		s.put(kafkaReceivedRecords, float64(c.ReceivedRecords), c.Cluster, c.Kind, c.Worker)
		s.put(kafkaSentBytes, float64(c.SentBytes), c.Cluster, c.Kind, c.Worker)
		s.put(kafkaReceivedBytes, float64(c.ReceivedBytes), c.Cluster, c.Kind, c.Worker)
		s.put(kafkaStatistics, float64(c.At.Unix()), c.Cluster, c.Kind, c.Worker)
		switch c.Kind {
		case KindConsumer:
			s.consumer(c)
		case KindProducer:
			s.put(kafkaQueuedRecords, float64(c.QueuedRecords), c.Cluster, c.Worker)
			s.put(kafkaQueuedBytes, float64(c.QueuedBytes), c.Cluster, c.Worker)
			s.put(kafkaLimitRecords, float64(c.MaxRecords), c.Cluster, c.Worker)
			s.put(kafkaLimitBytes, float64(c.MaxBytes), c.Cluster, c.Worker)
		}
		s.brokers(c)
	}
	for _, l := range Lags(all) {
		s.put(kafkaLag, float64(l.Records), l.Cluster, l.Topic, strconv.Itoa(int(l.Partition)))
	}
}

func (s *scrape) consumer(c *Client) {
	var records, bytes int64
	for i := range c.Partitions {
		records += c.Partitions[i].Fetched
		bytes += c.Partitions[i].FetchedBytes
	}
	s.put(kafkaFetchedRecords, float64(records), c.Cluster, c.Worker)
	s.put(kafkaFetchedBytes, float64(bytes), c.Cluster, c.Worker)
	s.put(kafkaRebalances, float64(c.Rebalances), c.Cluster, c.Worker)
}

func (s *scrape) brokers(c *Client) {
	for i := range c.Brokers {
		b := &c.Brokers[i]
		s.put(brokerUp, truth(b.Up), c.Cluster, c.Kind, c.Worker, b.Name)
		s.put(brokerErrors, float64(b.Errors), c.Cluster, c.Kind, c.Worker, b.Name)
		s.put(brokerRTT, b.RTTAvg.Seconds(), c.Cluster, c.Kind, c.Worker, b.Name, "avg")
		s.put(brokerRTT, b.RTTP99.Seconds(), c.Cluster, c.Kind, c.Worker, b.Name, "p99")
		s.put(brokerRTT, b.RTTMax.Seconds(), c.Cluster, c.Kind, c.Worker, b.Name, "max")
		s.put(brokerRequests, float64(b.Queued), c.Cluster, c.Kind, c.Worker, b.Name, "queued")
		s.put(brokerRequests, float64(b.Waiting), c.Cluster, c.Kind, c.Worker, b.Name, "waiting")
	}
}

// Lag is how far a group is behind in a partition that this process owns.
type Lag struct {
	Cluster   string `json:"cluster"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Records are those between the committed position and the end.
	Records int64 `json:"records"`
	// At is when the client took the figures.
	At time.Time `json:"at"`
}

// Lags returns what consumers know of lag, by cluster, topic and partition.
// After a rebalance the old owner's last statistics have a partition as well
// as the new one's: it is in the result once, as of the newest.
func Lags(clients []Client) []Lag {
	var all []Lag
	for i := range clients {
		c := &clients[i]
		if c.Kind != KindConsumer {
			continue
		}
		for _, p := range c.Partitions {
			if p.Lag >= 0 {
				all = append(all, Lag{Cluster: c.Cluster, Topic: p.Topic, Partition: p.Partition, Records: p.Lag, At: c.At})
			}
		}
	}
	slices.SortFunc(all, func(a, b Lag) int {
		return cmp.Or(comparePlace(&a, &b), b.At.Compare(a.At))
	})
	return slices.CompactFunc(all, func(a, b Lag) bool { return comparePlace(&a, &b) == 0 })
}

func comparePlace(a, b *Lag) int {
	return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}
