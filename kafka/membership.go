package kafka

/*
#include "shim.h"
*/
import "C"

import "unsafe"

// GroupMetadata is the membership under which records were polled, as
// Producer.SendOffsets of the same process wants it. The library renews it by
// itself, also between two Polls, so it is asked for right before each use. A
// consumer that is not, or no longer, in its group has none: that is an error.
func (c *Consumer) GroupMetadata() ([]byte, error) {
	if c.closed {
		return nil, ErrClosed
	}
	var res C.slip_txn_result
	var buf unsafe.Pointer
	var size C.size_t
	C.slip_group_metadata(c.rk, &buf, &size, &res)
	if Code(res.code) == CodeUnknownMember {
		return nil, codeError("read the group membership", CodeUnknownMember, "not joined, or expelled", "", -1, noOffset)
	}
	if res.code != 0 {
		return nil, codeError("read the group membership", Code(res.code), C.GoString(&res.text[0]), "", -1, noOffset)
	}
	defer C.slip_group_free(c.rk, buf)
	return C.GoBytes(buf, C.int(size)), nil
}

// Lost says that the membership is gone although revoked has not run yet, or
// that the consumer is closed: nothing may be committed any more. A member that
// has lost nothing, because nothing is assigned to it, is not lost.
func (c *Consumer) Lost() bool { return c.closed || c.ck.AssignmentLost() }
