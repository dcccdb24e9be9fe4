package kafka

/*
#cgo CFLAGS: -O2 -Wall -Werror=implicit-function-declaration
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// The C side writes runs straight into []abi.Run; these do not compile when
// the layouts part.
const (
	_ = uint(unsafe.Sizeof(C.slip_run{}) - unsafe.Sizeof(abi.Run{}))
	_ = uint(unsafe.Sizeof(abi.Run{}) - unsafe.Sizeof(C.slip_run{}))
	_ = -(unsafe.Offsetof(C.slip_run{}.partition) ^ unsafe.Offsetof(abi.Run{}.Partition))
	_ = -(unsafe.Offsetof(C.slip_run{}.base_offset) ^ unsafe.Offsetof(abi.Run{}.BaseOffset))
	_ = -(unsafe.Offsetof(C.slip_run{}.base_timestamp) ^ unsafe.Offsetof(abi.Run{}.BaseTimestamp))
	_ = -(unsafe.Offsetof(C.slip_run{}.last_offset) ^ unsafe.Offsetof(abi.Run{}.LastOffset))
	_ = -(unsafe.Offsetof(C.slip_run{}.count) ^ unsafe.Offsetof(abi.Run{}.Count))
	_ = -(unsafe.Offsetof(C.slip_run{}.start) ^ unsafe.Offsetof(abi.Run{}.Start))
	_ = -(unsafe.Offsetof(C.slip_run{}.end) ^ unsafe.Offsetof(abi.Run{}.End))
)

// checkLink finds out once whether the program was linked with the librdkafka
// this package was written for.
var checkLink = sync.OnceValue(func() error {
	if name := C.slip_missing(); name != nil {
		return fmt.Errorf("this binary was linked with a librdkafka that has no %s; build it with the library bundled in confluent-kafka-go v2.15 or a newer one", C.GoString(name))
	}
	return nil
})

// consumerOffset finds the field that holds librdkafka's handle inside
// confluent-kafka-go's Consumer. It has no accessor, and reading it is what
// lets everything else stay with that library.
var consumerOffset = sync.OnceValues(func() (uintptr, error) {
	bad := errors.New("this binary was built with a confluent-kafka-go whose Consumer looks different inside; use v2.15, which sliphost names in its go.mod")
	outer, ok := reflect.TypeFor[ck.Consumer]().FieldByName("handle")
	if !ok || outer.Type.Kind() != reflect.Struct {
		return 0, bad
	}
	inner, ok := outer.Type.FieldByName("rk")
	if !ok || inner.Type.Kind() != reflect.Pointer || inner.Type.Elem().Name() != "_Ctype_struct_rd_kafka_s" {
		return 0, bad
	}
	return outer.Offset + inner.Offset, nil
})

// handleOf returns the rd_kafka_t behind c.
func handleOf(c *ck.Consumer) (*C.rd_kafka_t, error) {
	if err := checkLink(); err != nil {
		return nil, err
	}
	off, err := consumerOffset()
	if err != nil {
		return nil, err
	}
	rk := *(**C.rd_kafka_t)(unsafe.Add(unsafe.Pointer(c), off))
	if rk == nil || C.GoString(C.rd_kafka_name(rk)) != c.String() {
		return nil, errors.New("this binary was built with a confluent-kafka-go whose Consumer does not hold the client it should; use v2.15, which sliphost names in its go.mod")
	}
	return rk, nil
}
