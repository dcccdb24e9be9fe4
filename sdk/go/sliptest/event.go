package sliptest

import (
	"fmt"

	"github.com/sliphost/sliphost/abi"
)

// Advance tells the handler that stream time of partition 0 moved to
// streamTime, in milliseconds, without a record; see slip.OnAdvance. In the
// result Record is 0. It ends the test if the handler has no OnAdvance.
func (h *Harness) Advance(streamTime int64) *Result {
	h.help()
	return h.AdvanceOf(0, streamTime, false)
}

// Final tells the handler that no record of partition 0 follows: an advance
// with Final, at the stream time that it has reached.
func (h *Harness) Final() *Result {
	h.help()
	return h.AdvanceOf(0, -1, true)
}

// AdvanceOf is [Harness.Advance] and [Harness.Final] for any partition. Stream
// time does not go back: one lower than that of the partition counts as it.
func (h *Harness) AdvanceOf(partition int32, streamTime int64, final bool) *Result {
	h.help()
	streamTime = max(streamTime, h.host.StreamTimeOf(partition))
	msg := abi.AppendAdvance(nil, &abi.Advance{Partition: partition, StreamTime: streamTime, Final: final})
	return h.event(abi.FlagAdvance, "advance", partition, streamTime, msg)
}

// event hands over a message that is a batch of one. Outputs without a
// timestamp get that of stream time.
func (h *Harness) event(flag abi.HandlerFlag, kind string, partition int32, streamTime int64, msg []byte) *Result {
	h.help()
	if h.flags&flag == 0 {
		h.end(fmt.Errorf("handler %q does not take kind %s", h.binding.Function, kind))
	}
	h.host.begin(partition, []int64{streamTime})
	h.host.Store.Quiet, h.host.events = true, flag != abi.FlagAdvance
	reply := h.guest.Process(0, msg)
	h.host.end()
	res := &Result{Logs: h.host.logs}
	if done := h.host.progress[abi.ProgressDoneAt/4]; done != 1 {
		h.end(fmt.Errorf("the module did not finish the call of kind %s", kind))
	}
	if err := h.read(append(h.host.flushed, reply...), []Record{{Timestamp: streamTime}}, 0, res); err != nil {
		h.end(err)
	}
	if len(res.Errors) == 0 {
		for _, p := range h.host.seeks {
			res.Seeks = append(res.Seeks, Seek{h.binding.Sources[p.Source].Name, p.Partition, p.Offset})
		}
	}
	return res
}

// help marks the caller as a helper of the test, if there is one.
func (h *Harness) help() {
	if h.t != nil {
		h.t.Helper()
	}
}

// end ends the test.
func (h *Harness) end(err error) {
	h.help()
	if h.t == nil {
		panic("sliptest: " + err.Error())
	}
	h.t.Fatal(err)
}
