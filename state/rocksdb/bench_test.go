package rocksdb

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/sliphost/sliphost/state"
)

// BenchmarkFirstPass is what a count over keys that never came before costs: a
// read of each key, which there is not, and its write in batches. One
// iteration is 1,000,000 keys in an order that is not theirs.
func BenchmarkFirstPass(b *testing.B) {
	for _, buffer := range []int64{16 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("write-buffer-%dMiB", buffer>>20), func(b *testing.B) {
			const keys, each = 1_000_000, 100_000
			var gets, puts time.Duration
			dst := make([]byte, 0, 64)
			for range b.N {
				o := testOptions()
				o.WriteBuffer, o.BlockCache = buffer, 64<<20
				d, _ := mustOpen(b, b.TempDir(), o)
				var batch state.Batch
				for n := 0; n < keys; n += each {
					began := time.Now()
					for i := n; i < n+each; i++ {
						key := scattered(i)
						if _, ok, err := d.Get(1, key[:], dst); err != nil || ok {
							b.Fatal(ok, err)
						}
					}
					read := time.Now()
					batch.Reset()
					for i := n; i < n+each; i++ {
						key := scattered(i)
						batch.Put(1, nil, key[:], key[:9])
					}
					if err := d.Write(&batch); err != nil {
						b.Fatal(err)
					}
					gets += read.Sub(began)
					puts += time.Since(read)
				}
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(gets.Nanoseconds())/float64(b.N)/keys, "ns/absent-get")
			b.ReportMetric(float64(puts.Nanoseconds())/float64(b.N)/keys, "ns/put")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// scattered is the i-th key: a partition and 8 digits, as a store has them.
func scattered(i int) (key [12]byte) {
	const keys = 1 << 32
	id := uint64(i) * 2_654_435_761 % keys
	binary.BigEndian.PutUint32(key[:], uint32(id%4))
	copy(key[4:], fmt.Sprintf("%08x", id))
	return key
}
