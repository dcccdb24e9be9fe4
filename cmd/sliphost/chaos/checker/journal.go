package checker

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// Ack is a record that the broker acknowledged.
type Ack struct {
	Partition int32
	Offset    int64
	ID        int64
}

// Journal is what the generator knows for certain: the ids the broker took,
// and those of transactions that were aborted on purpose. It is kept in a
// file, so that a run that dies can be looked at.
type Journal struct {
	Acked   []Ack
	Aborted map[int64]bool

	file *os.File
}

// CreateJournal makes an empty journal at path. The caller closes it.
func CreateJournal(path string) (*Journal, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Journal{Aborted: map[int64]bool{}, file: f}, nil
}

// Add notes acknowledged records and, apart from them, aborted ids, and returns
// when both are on disk.
func (j *Journal) Add(acked []Ack, aborted []int64) error {
	w := bufio.NewWriter(j.file)
	for _, a := range acked {
		fmt.Fprintf(w, "acked %d %d %d\n", a.Partition, a.Offset, a.ID)
	}
	for _, id := range aborted {
		fmt.Fprintf(w, "aborted %d\n", id)
		j.Aborted[id] = true
	}
	j.Acked = append(j.Acked, acked...)
	if err := w.Flush(); err != nil {
		return err
	}
	return j.file.Sync()
}

// Close closes the file; what was noted stays readable.
func (j *Journal) Close() error { return j.file.Close() }

// ReadJournal reads what Add wrote.
func ReadJournal(r io.Reader) (*Journal, error) {
	j := &Journal{Aborted: map[int64]bool{}}
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		var a Ack
		var id int64
		if _, err := fmt.Sscanf(s.Text(), "acked %d %d %d", &a.Partition, &a.Offset, &a.ID); err == nil {
			j.Acked = append(j.Acked, a)
		} else if _, err := fmt.Sscanf(s.Text(), "aborted %d", &id); err == nil {
			j.Aborted[id] = true
		} else {
			return nil, fmt.Errorf("journal line %d: %q is neither acked nor aborted", n, s.Text())
		}
	}
	return j, s.Err()
}
