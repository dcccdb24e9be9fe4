package module

import (
	"context"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	r, err := Open(ctx, Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Load(ctx, Source{Name: "m", Bytes: wasmtest.Guest{}.Build()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Open(ctx, &abi.Init{Major: 1, Bindings: []abi.Binding{{Function: "h", Name: "h"}}}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	var recs []byte
	for i := range 3 {
		recs = abi.AppendRecord(recs, int64(i), 0, []byte("k"), []byte("v"), nil)
	}
	head := abi.AppendBatchHeader(nil, &abi.BatchHeader{Count: 3})
	reply, done, err := s.Process(ctx, 0, 3, head, recs)
	if err != nil || done != 3 || len(reply) != 0 {
		t.Fatal(reply, done, err)
	}
	if n := testing.AllocsPerRun(100, func() { s.Process(ctx, 0, 3, head, recs) }); n != 0 {
		t.Error(n)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
func BenchmarkSmoke(b *testing.B) {
	ctx := context.Background()
	r, _ := Open(ctx, Config{})
	m, err := r.Load(ctx, Source{Name: "m", Bytes: wasmtest.Guest{}.Build()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := m.Open(ctx, &abi.Init{Major: 1, Bindings: []abi.Binding{{Function: "h", Name: "h"}}}, Hooks{})
	if err != nil {
		b.Fatal(err)
	}
	var recs []byte
	for i := range 1 {
		recs = abi.AppendRecord(recs, int64(i), 0, []byte("k"), []byte("v"), nil)
	}
	head := abi.AppendBatchHeader(nil, &abi.BatchHeader{Count: 1})
	for b.Loop() {
		s.Process(ctx, 0, 1, head, recs)
	}
}
