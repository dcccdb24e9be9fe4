package metrics

import (
	"strconv"
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
	for p, l := range newestLag(all) {
		s.put(kafkaLag, float64(l.lag), p.cluster, p.topic, strconv.Itoa(int(p.partition)))
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

// place is a partition of a cluster.
type place struct {
	cluster, topic string
	partition      int32
}

// seen is a lag and when it was taken.
type seen struct {
	at  time.Time
	lag int64
}

// newestLag returns the lag of each partition. After a rebalance the old
// owner's last statistics have it as well as the new one's: the newest tells
// the truth, and each series may be shown once only.
func newestLag(all []Client) map[place]seen {
	found := map[place]seen{}
	for i := range all {
		c := &all[i]
		if c.Kind != KindConsumer {
			continue
		}
		for _, p := range c.Partitions {
			at := place{c.Cluster, p.Topic, p.Partition}
			if old, ok := found[at]; p.Lag >= 0 && (!ok || c.At.After(old.at)) {
				found[at] = seen{c.At, p.Lag}
			}
		}
	}
	return found
}
