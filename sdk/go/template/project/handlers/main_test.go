package main

import (
	"testing"

	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

func TestHelloGreets(t *testing.T) {
	h := sliptest.New(t, "hello", sliptest.Codec("json"), sliptest.Param("greeting", "Hi"))
	got := h.Send(sliptest.KV("1", `{"name": "Ada"}`))
	if len(got.Outputs) != 1 || string(got.Outputs[0].Value) != `{"text":"Hi, Ada!"}` {
		t.Errorf("got %+v", got)
	}
}

func TestHelloFailsWithoutAName(t *testing.T) {
	h := sliptest.New(t, "hello", sliptest.Codec("json"))
	got := h.Send(sliptest.KV("1", `{"age": 36}`))
	if len(got.Outputs) != 0 || len(got.Errors) != 1 || got.Errors[0].Code != "decode" {
		t.Errorf("got %+v", got)
	}
}
