package slip

// JoinKind says which records without a partner come out of a join.
type JoinKind int

const (
	// InnerJoin emits pairs only.
	InnerJoin JoinKind = iota
	// LeftJoin emits records of the left side without a partner too.
	LeftJoin
	// OuterJoin emits records of either side without a partner too. A
	// [TableJoin] has none.
	OuterJoin
)

// TableJoin joins the records of a stream, its left side, with the rows of a
// table: the last value of each key, in a cache. The row is the one of the
// moment that the record is handled; a row that changes later emits nothing.
//
//	var orders = slip.TableJoin{Table: customers, Kind: slip.LeftJoin}
//
//	row, ok, err := orders.Row(c, rec.Key)
//	if ok { ... } // row is nil if there is no such customer
//
// The table is a cache of any kind. One that is global is filled by the host;
// any other by a handler of the same sub-topology, with [TableJoin.Set].
type TableJoin struct {
	Table *CacheRef
	// Kind is InnerJoin or LeftJoin.
	Kind JoinKind
}

// Row returns the row of key; ok says whether the join emits something: for
// an inner join, that there is a row. The row is nil if there is none, which an
// empty row is not, and valid until the handler returns. A nil key has no row.
func (j *TableJoin) Row(c *Call, key []byte) (row []byte, ok bool, err error) {
	if _, err := j.Table.id(c); err != nil {
		return nil, false, err
	}
	if key != nil {
		if row, ok, err = j.Table.Get(c, key); err != nil || ok {
			return row, ok, err
		}
	}
	return nil, j.Kind != InnerJoin, nil
}

// Set makes row the row of key; nil removes it. A nil key is an error.
func (j *TableJoin) Set(c *Call, key, row []byte) error {
	if row == nil {
		return j.Table.Delete(c, key)
	}
	return j.Table.Put(c, key, row)
}
