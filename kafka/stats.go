package kafka

import (
	"encoding/json"
	"fmt"
	"time"
)

// Stats is what the engine shows of a client's statistics.
type Stats struct {
	// Client is the client's name, Type consumer or producer.
	Client, Type string
	// At is when the statistics were taken.
	At time.Time
	// QueuedRecords and QueuedBytes are a producer's records that no broker
	// has acknowledged, MaxRecords and MaxBytes their bounds.
	QueuedRecords, QueuedBytes, MaxRecords, MaxBytes int64
	// Operations waits to be served by Poll.
	Operations int64
	// Sent and Received count requests' bytes on the wire, Records those of
	// records sent or received.
	SentBytes, ReceivedBytes, SentRecords, ReceivedRecords int64
	Brokers                                                []BrokerStats
	Partitions                                             []PartitionStats
	// Rebalances counts the assignments of a group's member, GroupState is the
	// state of joining.
	Rebalances int64
	GroupState string
}

// BrokerStats describes a connection.
type BrokerStats struct {
	Name  string
	Up    bool
	State string
	// RTTAvg, RTTP99 and RTTMax are round trips since the last statistics.
	RTTAvg, RTTP99, RTTMax time.Duration
	// Waiting is the number of requests sent and not answered, Queued of those
	// not sent.
	Waiting, Queued int64
	// Errors counts failed requests and broken connections.
	Errors int64
}

// PartitionStats describes a partition.
type PartitionStats struct {
	Topic     string
	Partition int32
	// Lag is the number of records between the group's committed offset and
	// the end, -1 if it is not known. A consumer has it for partitions
	// assigned to it.
	Lag int64
	// Fetched is the number of records fetched ahead, FetchedBytes their size.
	Fetched, FetchedBytes int64
	// Queued is the number of a producer's records not sent.
	Queued int64
	// Committed and End are offsets, -1001 or -1 if not known.
	Committed, End int64
}

// ParseStats reads what ClientConfig.OnStats receives.
func ParseStats(doc []byte) (*Stats, error) {
	var d struct {
		Name      string `json:"name"`
		Type      string `json:"type"`
		Time      int64  `json:"time"`
		MsgCnt    int64  `json:"msg_cnt"`
		MsgSize   int64  `json:"msg_size"`
		MsgMax    int64  `json:"msg_max"`
		MsgMaxSz  int64  `json:"msg_size_max"`
		Replyq    int64  `json:"replyq"`
		TxBytes   int64  `json:"tx_bytes"`
		RxBytes   int64  `json:"rx_bytes"`
		TxMsgs    int64  `json:"txmsgs"`
		RxMsgs    int64  `json:"rxmsgs"`
		ConsGroup struct {
			JoinState string `json:"join_state"`
			Rebalance int64  `json:"rebalance_cnt"`
		} `json:"cgrp"`
		Brokers map[string]struct {
			Name      string `json:"name"`
			NodeID    int64  `json:"nodeid"`
			State     string `json:"state"`
			Outbuf    int64  `json:"outbuf_cnt"`
			WaitResp  int64  `json:"waitresp_cnt"`
			TxErrs    int64  `json:"txerrs"`
			RxErrs    int64  `json:"rxerrs"`
			Timeouts  int64  `json:"req_timeouts"`
			Connects  int64  `json:"connects"`
			Disconns  int64  `json:"disconnects"`
			RoundTrip struct {
				Avg int64 `json:"avg"`
				P99 int64 `json:"p99"`
				Max int64 `json:"max"`
			} `json:"rtt"`
		} `json:"brokers"`
		Topics map[string]struct {
			Topic      string `json:"topic"`
			Partitions map[string]struct {
				Partition   int32 `json:"partition"`
				MsgqCnt     int64 `json:"msgq_cnt"`
				XmitCnt     int64 `json:"xmit_msgq_cnt"`
				FetchqCnt   int64 `json:"fetchq_cnt"`
				FetchqSize  int64 `json:"fetchq_size"`
				Committed   int64 `json:"committed_offset"`
				HiOffset    int64 `json:"hi_offset"`
				LsOffset    int64 `json:"ls_offset"`
				ConsumerLag int64 `json:"consumer_lag"`
			} `json:"partitions"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("read the Kafka client's statistics: %w", err)
	}
	s := &Stats{
		Client: d.Name, Type: d.Type, At: time.Unix(d.Time, 0),
		QueuedRecords: d.MsgCnt, QueuedBytes: d.MsgSize, MaxRecords: d.MsgMax, MaxBytes: d.MsgMaxSz,
		Operations: d.Replyq, SentBytes: d.TxBytes, ReceivedBytes: d.RxBytes,
		SentRecords: d.TxMsgs, ReceivedRecords: d.RxMsgs,
		Rebalances: d.ConsGroup.Rebalance, GroupState: d.ConsGroup.JoinState,
	}
	for _, b := range d.Brokers {
		// Negative ids are the addresses asked first and the coordinator's
		// extra connection.
		if b.NodeID < 0 {
			continue
		}
		s.Brokers = append(s.Brokers, BrokerStats{
			Name: b.Name, Up: b.State == "UP", State: b.State,
			RTTAvg: micros(b.RoundTrip.Avg), RTTP99: micros(b.RoundTrip.P99), RTTMax: micros(b.RoundTrip.Max),
			Waiting: b.WaitResp, Queued: b.Outbuf,
			Errors: b.TxErrs + b.RxErrs + b.Timeouts + b.Disconns,
		})
	}
	for _, t := range d.Topics {
		for _, p := range t.Partitions {
			if p.Partition < 0 {
				continue
			}
			end := p.LsOffset
			if end < 0 {
				end = p.HiOffset
			}
			s.Partitions = append(s.Partitions, PartitionStats{
				Topic: t.Topic, Partition: p.Partition, Lag: p.ConsumerLag,
				Fetched: p.FetchqCnt, FetchedBytes: p.FetchqSize,
				Queued: p.MsgqCnt + p.XmitCnt, Committed: p.Committed, End: end,
			})
		}
	}
	return s, nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
