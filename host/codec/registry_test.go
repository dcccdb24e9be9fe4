package codec

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeRegistry is a schema registry in this process. hook, if it answers true,
// has answered in its stead.
type fakeRegistry struct {
	*httptest.Server
	mu       sync.Mutex
	schemas  []map[string]any // by id-1
	subjects map[string][]int
	refuse   string
	asked    int
	hook     func(w http.ResponseWriter, r *http.Request) bool
}

func newFakeRegistry(t testing.TB) *fakeRegistry {
	f := &fakeRegistry{subjects: map[string][]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeRegistry) setHook(h func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = h
}

func (f *fakeRegistry) add(subject string, schema map[string]any) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.put(subject, schema)
}

func (f *fakeRegistry) put(subject string, schema map[string]any) int {
	id := 0
	for i, s := range f.schemas {
		if s["schema"] == schema["schema"] {
			id = i + 1
		}
	}
	if id == 0 {
		f.schemas = append(f.schemas, schema)
		id = len(f.schemas)
	}
	f.subjects[subject] = append(f.subjects[subject], id)
	return id
}

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.hook != nil && f.hook(w, r) {
		return
	}
	fail := func(status, code int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error_code": code, "message": text})
	}
	answer := func(id int) {
		out := map[string]any{"id": id, "version": 1}
		for k, v := range f.schemas[id-1] {
			out[k] = v
		}
		_ = json.NewEncoder(w).Encode(out)
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 3 && parts[0] == "schemas" && parts[1] == "ids":
		id, _ := strconv.Atoi(parts[2])
		if id < 1 || id > len(f.schemas) {
			fail(404, 40403, "Schema not found")
			return
		}
		answer(id)
	case parts[0] == "compatibility":
		_ = json.NewEncoder(w).Encode(map[string]any{"is_compatible": f.refuse == "", "messages": []string{f.refuse}})
	case r.Method == "GET" && len(parts) == 4:
		ids := f.subjects[parts[1]]
		if len(ids) == 0 {
			fail(404, 40401, "Subject not found")
			return
		}
		answer(ids[len(ids)-1])
	case r.Method == "POST" && len(parts) == 3:
		if f.refuse != "" {
			fail(409, 409, f.refuse)
			return
		}
		answer(f.put(parts[1], body))
	case r.Method == "POST" && len(parts) == 2:
		for _, id := range f.subjects[parts[1]] {
			if f.schemas[id-1]["schema"] == body["schema"] {
				answer(id)
				return
			}
		}
		fail(404, 40403, "Schema not found")
	default:
		fail(404, 404, "HTTP 404 Not Found")
	}
}

func (f *fakeRegistry) client(t testing.TB, c RegistryConfig) *Registry {
	t.Helper()
	c.URL = f.URL
	r, err := NewRegistry(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func registered(t testing.TB, c RegisteredConfig) *Registered {
	t.Helper()
	c.Name = "weather"
	if c.Topic == "" {
		c.Topic = "orders"
	}
	r, err := NewRegistered(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	pointV1 = `{"type":"record","name":"Point","fields":[{"name":"x","type":"int"}]}`
	pointV2 = `{"type":"record","name":"Point","fields":[{"name":"x","type":"long"},{"name":"y","type":"int","default":7}]}`
)

func TestRegisteredAvro(t *testing.T) {
	f := newFakeRegistry(t)
	reg := f.client(t, RegistryConfig{})
	old := registered(t, RegisteredConfig{Registry: reg, Avro: mustAvro(t, pointV1), Register: true})
	wire, err := old.Encode(nil, fromJSON(t, `{"x":3}`))
	if err != nil || string(wire) != "\x00\x00\x00\x00\x01\x06" {
		t.Fatalf("%x, %v", wire, err)
	}
	// A reader with a newer schema, and one without any.
	reader := registered(t, RegisteredConfig{Registry: reg, Avro: mustAvro(t, pointV2)})
	if msg, err := reader.Decode(nil, wire); err != nil || toJSON(t, msg) != `{"x":3,"y":7}` {
		t.Errorf("%x, %v", msg, err)
	}
	free := registered(t, RegisteredConfig{Registry: reg})
	if msg, err := free.Decode(nil, wire); err != nil || toJSON(t, msg) != `{"x":3}` {
		t.Errorf("%x, %v", msg, err)
	}
	if again, err := free.Encode(nil, fromJSON(t, `{"x":3}`)); err != nil || string(again) != string(wire) {
		t.Errorf("%x, %v", again, err)
	}
	// Not registered, and not to be: wait.
	var wait *Unavailable
	if _, err := reader.Encode(nil, fromJSON(t, `{"x":3}`)); !errors.As(err, &wait) || !strings.Contains(err.Error(), "register = true") {
		t.Errorf("%v", err)
	}
	f.mu.Lock()
	asked := f.asked
	f.mu.Unlock()
	for range 100 {
		if _, err := free.Decode(nil, wire); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != asked {
		t.Errorf("%d questions about ids that are known", f.asked-asked)
	}
}

func TestRegisteredProtobuf(t *testing.T) {
	f := newFakeRegistry(t)
	reg := f.client(t, RegistryConfig{})
	s, err := ParseProto("order.proto", orderProto, noImports)
	if err != nil {
		t.Fatal(err)
	}
	line := registered(t, RegisteredConfig{Registry: reg, Proto: s, Protobuf: true, Message: "acme.Line", Register: true})
	wire, err := line.Encode(nil, fromJSON(t, `{"sku":"A","n":1}`))
	if err != nil || string(wire[:7]) != "\x00\x00\x00\x00\x01\x02\x02" {
		t.Fatalf("%x, %v", wire, err)
	}
	free := registered(t, RegisteredConfig{Registry: reg, Protobuf: true, Message: "acme.Line"})
	for _, c := range []*Registered{line, free} {
		if msg, err := c.Decode(nil, wire); err != nil || toJSON(t, msg) != `{"sku":"A","n":1}` {
			t.Errorf("%x, %v", msg, err)
		}
	}
	order := registered(t, RegisteredConfig{Registry: reg, Proto: s, Protobuf: true, Message: "acme.Order"})
	if _, err := order.Decode(nil, wire); err == nil || !strings.Contains(err.Error(), "is a acme.Line") {
		t.Errorf("%v", err)
	}
	if wire, err := order.Encode(nil, fromJSON(t, `{"id":"A"}`)); err != nil || string(wire[:6]) != "\x00\x00\x00\x00\x01\x00" {
		t.Errorf("%x, %v", wire, err)
	}
	for _, bad := range []string{"\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x01\x02\x7e", "\x00\x00\x00\x00\x01\x01", "\x00\x00\x00\x00\x01\x40"} {
		var record *Error
		if _, err := free.Decode(nil, []byte(bad)); !errors.As(err, &record) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// Confluent's Python client registers a descriptor, not text, and other places
// than the first message's are written in full.
func TestRegisteredProtobufAsOthersWriteIt(t *testing.T) {
	f := newFakeRegistry(t)
	f.add("p", map[string]any{"schema": "Cgd0LnByb3RvEgF0Ih8KAUESCQoBeBgBIAEoCRoPCgJJbhIJCgFuGAEgASgFIg4KAUISCQoBeRgBIAEoCWIGcHJvdG8z", "schemaType": "PROTOBUF"})
	c := registered(t, RegisteredConfig{Registry: f.client(t, RegistryConfig{}), Protobuf: true})
	for wire, want := range map[string]string{
		"0000000001000a0171": `{"x":"q"}`, "000000000102020a0171": `{"y":"q"}`, "00000000010400000803": `{"n":3}`,
	} {
		b, _ := hex.DecodeString(wire)
		if msg, err := c.Decode(nil, b); err != nil || toJSON(t, msg) != want {
			t.Errorf("%s: %x, %v, want %s", wire, msg, err, want)
		}
	}
}

func TestRegistryTrouble(t *testing.T) {
	wire := append(binary.BigEndian.AppendUint32([]byte{0}, 1), 6)
	for name, tc := range map[string]struct {
		hook   func(w http.ResponseWriter, r *http.Request) bool
		record bool
		want   string
	}{
		"slow": {func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		}, false, "did not answer within"},
		"500": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }, false, "failed with status 500"},
		"503 of a proxy": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(503)
			_, _ = w.Write([]byte("<html>no backend</html>"))
			return true
		}, false, "failed with status 503"},
		"401": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(401); return true }, false, "refuses the credentials"},
		"403 with a body": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(403)
			_, _ = w.Write([]byte(`{"error_code":40301,"message":"no"}`))
			return true
		}, false, "refuses the credentials"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte("<html>hello</html>"))
			return true
		}, false, "an answer that is none"},
		"empty JSON":     {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("{}")); return true }, false, "an answer that is none"},
		"a list":         {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("[1]")); return true }, false, "an answer that is none"},
		"404 of another": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true }, false, "status 404; is this its address?"},
		"a redirect abroad": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://192.0.2.1/x", http.StatusFound)
			return true
		}, false, "redirects to 192.0.2.1"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"schema":`))
			return true
		}, false, ""},
		"an unknown id": {nil, true, "schema id 1 is unknown"},
		"another type": {func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`{"schema":"{}","schemaType":"JSON"}`))
			return true
		}, true, "is of type JSON"},
		"a broken schema": {func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`{"schema":"{\"type\":\"nope\"}"}`))
			return true
		}, true, "cannot be read"},
	} {
		f := newFakeRegistry(t)
		f.hook = tc.hook
		if name == "slow" {
			f.hook = nil
			slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			t.Cleanup(slow.Close)
			f.URL = slow.URL
		}
		c := registered(t, RegisteredConfig{Registry: f.client(t, RegistryConfig{Timeout: 300 * time.Millisecond})})
		_, err := c.Decode(nil, wire)
		var record *Error
		var wait *Unavailable
		if tc.record != errors.As(err, &record) || tc.record == errors.As(err, &wait) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %T %v, want %q", name, err, err, tc.want)
		}
	}
	down, err := NewRegistry(RegistryConfig{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	var wait *Unavailable
	if _, err := registered(t, RegisteredConfig{Registry: down}).Decode(nil, wire); !errors.As(err, &wait) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("down: %v", err)
	}
}

func TestRegistryComesBack(t *testing.T) {
	f := newFakeRegistry(t)
	f.setHook(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	reg := f.client(t, RegistryConfig{Timeout: 200 * time.Millisecond})
	c := registered(t, RegisteredConfig{Registry: reg, Avro: mustAvro(t, pointV1), Register: true})
	if _, err := c.Encode(nil, fromJSON(t, `{"x":3}`)); !errors.As(err, new(*Unavailable)) {
		t.Fatalf("%v", err)
	}
	f.setHook(nil)
	reg.mu.Lock() // the failure is old now
	for _, a := range reg.answers {
		a.until = time.Time{}
	}
	reg.mu.Unlock()
	if _, err := c.Encode(nil, fromJSON(t, `{"x":3}`)); err != nil {
		t.Error(err)
	}
}

func TestRegistryCredentialsAndCompatibility(t *testing.T) {
	f := newFakeRegistry(t)
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		user, pass, _ := r.BasicAuth()
		if r.Header.Get("Authorization") != "Bearer tok" && (user != "u" || pass != "p") {
			w.WriteHeader(401)
			return true
		}
		return false
	}
	f.add("orders-value", map[string]any{"schema": pointV1})
	wire := append(binary.BigEndian.AppendUint32([]byte{0}, 1), 6)
	for _, c := range []RegistryConfig{{Username: "u", Password: "p"}, {Token: "tok"}} {
		if _, err := registered(t, RegisteredConfig{Registry: f.client(t, c)}).Decode(nil, wire); err != nil {
			t.Error(err)
		}
	}
	f.refuse = "field y has no default"
	c := registered(t, RegisteredConfig{Registry: f.client(t, RegistryConfig{Token: "tok"}), Avro: mustAvro(t, pointV2), Register: true})
	if err := c.Prepare(context.Background()); err == nil || !strings.Contains(err.Error(), "not compatible") || !strings.Contains(err.Error(), "field y has no default") {
		t.Errorf("%v", err)
	}
	if _, err := c.Encode(nil, fromJSON(t, `{"x":1}`)); !errors.As(err, new(*Unavailable)) || !strings.Contains(err.Error(), "refuses the schema: field y has no default") {
		t.Errorf("%v", err)
	}
}

func TestRegistryURLs(t *testing.T) {
	for _, u := range []string{"", "registry:8081", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x y"} {
		if _, err := NewRegistry(RegistryConfig{URL: u}); err == nil {
			t.Errorf("%q passes for a URL", u)
		}
	}
}

func TestSubjects(t *testing.T) {
	s := mustAvro(t, `{"type":"record","name":"R","namespace":"n","fields":[]}`)
	for _, tc := range []struct {
		c    RegisteredConfig
		want string
	}{
		{RegisteredConfig{Topic: "t"}, "t-value"},
		{RegisteredConfig{Topic: "t", Key: true}, "t-key"},
		{RegisteredConfig{Topic: "t", Avro: s, Strategy: SubjectRecord}, "n.R"},
		{RegisteredConfig{Topic: "t", Avro: s, Strategy: SubjectTopicRecord}, "t-n.R"},
		{RegisteredConfig{Topic: "t", Subject: "s"}, "s"},
	} {
		if got := registered(t, tc.c).Subject(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
