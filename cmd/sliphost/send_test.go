package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
)

func readLines(t testing.TB, in io.Reader) []string {
	t.Helper()
	next := lineReader(in)
	var all []string
	for {
		line, err := next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(line))
	}
}

func TestLinesAreCutOnceAndOnlyAtTheirEnds(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	cases := map[string][]string{
		"":                     nil,
		"a":                    {"a"},
		"a\n":                  {"a"},
		"\n":                   {""},
		"a\n\nb":               {"a", "", "b"},
		"a\r\nb\rc\r\n":        {"a", "b\rc"},
		long + "\n" + long:     {long, long},
		"a\n" + long + "\r\nb": {"a", long, "b"},
	}
	for in, want := range cases {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in)),
		} {
			if diff := cmp.Diff(want, readLines(t, r)); diff != "" {
				t.Errorf("%.20q, %s (-want +got):\n%s", in, name, diff)
			}
		}
	}
}

// endless is a line without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

func TestALineWithoutEndIsRefusedInBoundedMemory(t *testing.T) {
	in := &endless{}
	_, err := lineReader(in)()
	if !errors.Is(err, errLongLine) {
		t.Fatalf("error %v, want %v", err, errLongLine)
	}
	if in.read > boot.MaxLine+(1<<20) {
		t.Errorf("read %d bytes of a line that may have %d", in.read, boot.MaxLine)
	}
}

func TestReadErrorsAreNotTheEnd(t *testing.T) {
	broken := errors.New("broken")
	next := lineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)))
	if line, err := next(); err != nil || string(line) != "a" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := next(); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\n\nb"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var again bytes.Buffer
		lines := readLines(t, iotest.HalfReader(bytes.NewReader(in)))
		for _, l := range lines {
			again.WriteString(l + "\n")
		}
		want := bytes.Clone(in)
		if len(in) > 0 && !bytes.HasSuffix(in, []byte("\n")) {
			want = append(want, '\n')
		}
		want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
		if !bytes.Equal(again.Bytes(), want) {
			t.Errorf("%q became %q, want %q", in, again.Bytes(), want)
		}
	})
}

// TestWhatTapShowsCanBeSent: for codecs with typed values other than json.
func TestWhatTapShowsCanBeSent(t *testing.T) {
	topic := manifest.Topic{ID: "t"}
	for _, c := range []struct {
		codec     codec.Codec
		given     string
		wire, err string
	}{
		{codec.MessagePack{}, `{"$base64":"AP8="}`, "\xc4\x02\x00\xff", ""},
		{codec.MessagePack{}, `{"a":{"$ext":[5,"YQ=="]}}`, "\x81\xa1a\xd4\x05a", ""},
		{codec.MessagePack{}, `{"$$base64":"AP8="}`, "\x81\xa7$base64\xa4AP8=", ""},
		{codec.MessagePack{}, `{"$raw":"wQ=="}`, "", "--raw"},
		{codec.JSON{}, `{"$base64": "AP8="}`, `{"$base64": "AP8="}`, ""},
		{codec.Raw{}, `{"$base64":"AP8="}`, `{"$base64":"AP8="}`, ""},
	} {
		r := recorder{shape: &shape{keyText: []byte(c.given)}, topic: &topic, keyCodec: c.codec, valueCodec: c.codec}
		out, err := r.record([]byte(c.given))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %s: error %v, want %q", c.codec.Name(), c.given, err, c.err)
			}
			continue
		}
		if err != nil || string(out.Value) != c.wire || string(out.Key) != c.wire {
			t.Errorf("%s, %s: %+v, %v, want %q", c.codec.Name(), c.given, out, err, c.wire)
		}
	}
}
