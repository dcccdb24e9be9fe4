package checker

import "fmt"

// Record is one record of a topic as a reader saw it.
type Record struct {
	Offset     int64
	Key, Value []byte
	Headers    []Header
	// Writer is who wrote it. A zero Writer is one without transactions.
	Writer Writer
}

// Header is one header of a record.
type Header struct {
	Name  string
	Value []byte
}

// Writer names the transaction of a record as its partition knows it. Two
// records of one partition are of one transaction exactly if their Writers are
// equal. Records of different partitions that are of one transaction have the
// same Producer and Epoch; Seq is counted in each partition for itself.
type Writer struct {
	Producer int64
	Epoch    int16
	// Seq counts the transactions of the producer in the partition, from 1.
	Seq int
}

// Topic holds the records of a topic by partition, in the order of offsets.
type Topic struct {
	Name  string
	Parts [][]Record
}

// Len is the number of records.
func (t *Topic) Len() int {
	n := 0
	for _, p := range t.Parts {
		n += len(p)
	}
	return n
}

// place names a record for people.
type place struct {
	topic     string
	partition int
	offset    int64
}

func (p place) String() string { return fmt.Sprintf("%s[%d]@%d", p.topic, p.partition, p.offset) }

// header returns the last header of that name.
func (r *Record) header(name string) (string, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Name == name {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}
