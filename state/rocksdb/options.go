package rocksdb

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/linxGnu/grocksdb"
)

// Options configure a DB.
type Options struct {
	// Families are the names of the families 0, 1, ... They identify them on
	// disk: order may change between starts. A family on disk that is not among
	// them is dropped.
	Families []string
	// BlockCache bounds the memory of blocks read from files, in bytes; 0 is
	// 32 MiB.
	BlockCache int64
	// WriteBuffer bounds the memory of writes not yet in sorted files, of all
	// families together, in bytes; 0 is 16 MiB.
	WriteBuffer int64
	// App is the application's name, for errors.
	App string
	// Log gets what was dropped or made anew; nil is slog.Default().
	Log *slog.Logger
}

const (
	systemFamily = "default" // RocksDB has it always
	// familyPrefix keeps a cache called "default" apart from it.
	familyPrefix = "family."

	defaultBlockCache  = 32 << 20
	defaultWriteBuffer = 16 << 20
	minWriteBuffer     = 1 << 20

	// maxOpenFiles bounds descriptors, whatever number of families and files
	// there is.
	maxOpenFiles = 512

	// filterShare is the part of the write buffer that filters take, of all
	// families together: each has one from its first write on.
	filterShare = 0.04
)

func (o *Options) check() error {
	if o.BlockCache == 0 {
		o.BlockCache = defaultBlockCache
	}
	if o.WriteBuffer == 0 {
		o.WriteBuffer = defaultWriteBuffer
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.BlockCache < 0 || o.WriteBuffer < minWriteBuffer {
		return fmt.Errorf("block cache of %d bytes and write buffer of %d bytes: wanted at least 0 and %d", o.BlockCache, o.WriteBuffer, minWriteBuffer)
	}
	if len(o.Families) == 0 {
		return errors.New("no families")
	}
	for i, name := range o.Families {
		if name == "" || strings.ContainsAny(name, "\x00\n") || slices.Contains(o.Families[:i], name) {
			return fmt.Errorf("family %d has the name %q, which is empty, no name or used twice", i, name)
		}
	}
	return nil
}

// settings are what an open database uses, to be destroyed after it.
type settings struct {
	db    *grocksdb.Options
	table *grocksdb.BlockBasedTableOptions
	cache *grocksdb.Cache
}

func (o *Options) settings() settings {
	s := settings{
		db:    grocksdb.NewDefaultOptions(),
		table: grocksdb.NewDefaultBlockBasedTableOptions(),
		cache: grocksdb.NewLRUCache(uint64(o.BlockCache)),
	}
	// Filters and indexes live in the cache too: it is the bound of memory.
	s.table.SetBlockCache(s.cache)
	s.table.SetCacheIndexAndFilterBlocks(true)
	s.table.SetCacheIndexAndFilterBlocksWithHighPriority(true)
	s.table.SetPinL0FilterAndIndexBlocksInCache(true)
	s.table.SetBlockSize(8 << 10)
	s.table.SetFormatVersion(tableVersion)
	s.table.SetChecksum(checksumKind)
	// In parts, of which only the one asked for has to be in the cache. The
	// whole filter of a file of small entries is larger than a shard of the cache,
	// and would be read for every key.
	s.table.SetIndexType(grocksdb.KTwoLevelIndexSearchIndexType)
	s.table.SetPartitionFilters(true)
	s.table.SetMetadataBlockSize(8 << 10)
	s.table.SetPinTopLevelIndexAndFilter(true)
	s.table.SetFilterPolicy(grocksdb.NewBloomFilterFull(10))
	s.table.SetWholeKeyFiltering(true)

	s.db.SetCreateIfMissing(true)
	s.db.SetCreateIfMissingColumnFamilies(true)
	s.db.SetBlockBasedTableFactory(s.table)
	s.db.SetCompression(grocksdb.LZ4Compression)
	s.db.SetLevelCompactionDynamicLevelBytes(true)
	s.db.SetMaxBackgroundJobs(2)
	s.db.SetMaxOpenFiles(maxOpenFiles)
	s.db.SetParanoidChecks(true)
	s.db.SetWALRecoveryMode(grocksdb.PointInTimeRecovery)
	s.db.SetAtomicFlush(true)

	// Without a filter a key that is not there is searched for in the whole
	// write buffer, which costs more than all else about it.
	s.db.SetMemTablePrefixBloomSizeRatio(filterShare / float64(len(o.Families)))
	s.db.SetMemtableWholeKeyFiltering(true)
	s.db.SetWriteBufferSize(uint64(o.WriteBuffer))
	s.db.SetDbWriteBufferSize(uint64(o.WriteBuffer))
	s.db.SetMaxTotalWalSize(uint64(2 * o.WriteBuffer))
	// A family that got one write takes a whole block of the write buffer: with
	// many families RocksDB's size for one would fill it at once.
	s.db.SetArenaBlockSize(uint64(max(4<<10, min(1<<20, o.WriteBuffer/int64(16*(len(o.Families)+1))))))

	s.db.SetInfoLogLevel(grocksdb.WarnInfoLogLevel)
	s.db.SetKeepLogFileNum(1)
	s.db.SetMaxLogFileSize(1 << 20)
	s.db.SetStatsDumpPeriodSec(0)
	s.db.SetStatsPersistPeriodSec(0)
	return s
}

func (s *settings) destroy() {
	s.db.Destroy()
	s.table.Destroy()
	s.cache.Destroy()
}
