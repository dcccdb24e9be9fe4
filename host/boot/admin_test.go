package boot

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/metrics"
	"github.com/sliphost/sliphost/host/module/wasmtest"
	"github.com/sliphost/sliphost/kafka"
)

// adminManifest reads a file, so that no broker is needed.
const adminManifest = `version = 1
name = "asked"
[module.m]
path = "m.wasm"
[handler.h]
source = ["file:in.txt"]
[admin]
http = "127.0.0.1:0"
`

// openAsked opens a host whose handler reports the metric calls once a batch.
func openAsked(t *testing.T, input string) *App {
	t.Helper()
	dir := t.TempDir()
	const name = "calls"
	guest := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "metric", Sig: "iiiF"}},
		Data:    map[uint32][]byte{wasmtest.ScratchAt: []byte(name)},
		Process: wasmtest.Join(
			wasmtest.I32(int32(abi.MetricCounter)), wasmtest.I32(wasmtest.ScratchAt), wasmtest.I32(int32(len(name))), wasmtest.F64(1), wasmtest.Call(0),
			wasmtest.Finish(wasmtest.Count()), wasmtest.I64(0),
		),
	}
	for file, content := range map[string][]byte{"manifest.toml": []byte(adminManifest), "m.wasm": guest.Build(), "in.txt": []byte(input)} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Version: "v0.1.0", CacheDir: t.TempDir()}
	m, err := Load(filepath.Join(dir, "manifest.toml"), o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHostAnswersFromOpenToClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a := openAsked(t, "one\ntwo\nthree\n")
	url := "http://" + a.AdminAddress()
	if code, body := get(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("before Run: %d %s", code, body)
	}
	ran := make(chan error, 1)
	go func() { ran <- a.Run(t.Context()) }()
	st := waitFor(t, a, func(st *admin.Status) bool { return st.Ready && st.Records == 3 })
	if st.App != "asked" || st.PID != os.Getpid() || st.Version != "v0.1.0" || st.HTTP != a.AdminAddress() || st.Lag != nil ||
		st.Manifest != filepath.Join(filepath.Dir(st.StateDir), "manifest.toml") {
		t.Errorf("status %+v", st)
	}
	a.Drain()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	code, text := get(t, url+"/metrics")
	for _, line := range []string{
		`sliphost_host_records_total 3`,
		`sliphost_host_state{state="stopped"} 1`,
		`sliphost_handler_records_total{handler="h",module="m"} 3`,
		`sliphost_worker_partitions{cluster="default",worker="0"} 1`,
		`sliphost_guest_calls_total{handler="h"} 1`,
	} {
		if code != 200 || !strings.Contains(text, line+"\n") {
			t.Errorf("metrics (%d) have no line %s in\n%s", code, line, text)
		}
	}
	if code, body := get(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "stopped") {
		t.Errorf("after Run: %d %s", code, body)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := admin.Dial(a.StateDir()).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no host runs") {
		t.Errorf("after Close: %v", err)
	}
}

// waitFor asks over the socket until the answer is good.
func waitFor(t *testing.T, a *App, good func(*admin.Status) bool) *admin.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		st, err := admin.Dial(a.StateDir()).Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if good(st) {
			return st
		}
	}
}

func TestOpenTellsOfAnAddressInUse(t *testing.T) {
	a := openAsked(t, "")
	defer a.Close()
	m := *a.Manifest()
	m.Admin.HTTP = a.AdminAddress()
	b, err := Open(t.Context(), &m, Options{StateDir: t.TempDir(), CacheDir: t.TempDir()})
	if err == nil {
		b.Close()
		t.Fatal("two hosts have one address")
	}
	if !strings.Contains(err.Error(), "another program listens on that address") {
		t.Errorf("error %v", err)
	}
}

func TestBatchTimesReachTheMetrics(t *testing.T) {
	var h host.Histogram
	h.Observe(3 * time.Microsecond)
	h.Observe(90 * time.Minute)
	d := durations(&h)
	counts := map[time.Duration]uint64{}
	for _, b := range d.Buckets {
		if b.Count > 0 {
			counts[b.Below] = b.Count
		}
	}
	want := map[time.Duration]uint64{4 * time.Microsecond: 1, time.Microsecond << 31: 1}
	if diff := cmp.Diff(want, counts); diff != "" || d.Sum != 90*time.Minute+3*time.Microsecond {
		t.Errorf("sum %v, buckets (-want +got):\n%s", d.Sum, diff)
	}
}

// fill sets every number, text and truth value in v to something of its own.
func fill(v reflect.Value, next *int64) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			*next++
			v.Set(reflect.ValueOf(time.Unix(*next, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), next)
	case reflect.String:
		*next++
		v.SetString(strings.Repeat("s", int(*next)))
	case reflect.Bool:
		v.SetBool(true)
	default:
		*next++
		v.SetInt(*next)
	}
}

// Each value of a client that the metrics have a field for gets there.
func TestClientStatisticsReachTheMetrics(t *testing.T) {
	var st kafka.Stats
	var n int64
	fill(reflect.ValueOf(&st).Elem(), &n)
	a := &App{stats: newClientStats((&Options{}).logger())}
	a.stats.latest["main/consumer/3"] = &st
	got := a.clientMetrics()
	b, p := st.Brokers[0], st.Partitions[0]
	want := []metrics.Client{{
		Cluster: "main", Kind: metrics.KindConsumer, Worker: "3", At: st.At,
		QueuedRecords: st.QueuedRecords, QueuedBytes: st.QueuedBytes, MaxRecords: st.MaxRecords, MaxBytes: st.MaxBytes,
		Operations: st.Operations, SentBytes: st.SentBytes, ReceivedBytes: st.ReceivedBytes,
		SentRecords: st.SentRecords, ReceivedRecords: st.ReceivedRecords, Rebalances: st.Rebalances,
		Brokers:    []metrics.Broker{{Name: b.Name, Up: true, RTTAvg: b.RTTAvg, RTTP99: b.RTTP99, RTTMax: b.RTTMax, Waiting: b.Waiting, Queued: b.Queued, Errors: b.Errors}},
		Partitions: []metrics.ClientPartition{{Topic: p.Topic, Partition: p.Partition, Lag: p.Lag, Fetched: p.Fetched, FetchedBytes: p.FetchedBytes}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	for i := range reflect.TypeFor[metrics.Client]().NumField() {
		if reflect.ValueOf(got[0]).Field(i).IsZero() {
			t.Errorf("field %s is filled by nobody", reflect.TypeFor[metrics.Client]().Field(i).Name)
		}
	}
	if lags := a.Lags(); len(lags) != 1 || lags[0].Records != p.Lag || lags[0].Cluster != "main" {
		t.Errorf("lags %+v", lags)
	}
}
