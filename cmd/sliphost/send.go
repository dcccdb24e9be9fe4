package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
)

// sendFlags are the flags of send.
type sendFlags struct {
	key, keyText, timestamp string
	hasKey, hasKeyText      bool
	partition               int32
	headers                 []string
	null, raw, json         bool
}

func (c *cli) sendCmd() *cobra.Command {
	var src source
	f := sendFlags{}
	cmd := &cobra.Command{
		Use:   "send TOPIC [VALUE...]",
		Short: "Send records to a topic, from arguments or from lines of standard input",
		Long: "TOPIC is an id of the manifest or a topic's name. Each VALUE, or each line where\n" +
			"there is none, becomes the value of a record, byte for byte. It must be what\n" +
			"the topic's codec says, unless --raw is given. Sending stops at the first value\n" +
			"that is not; records before it are sent. A topic that may be created is.\n\n" +
			"For msgpack, avro, protobuf and codecs of modules a VALUE is JSON as tap shows\n" +
			"it: {\"$base64\":\"AP8=\"} is a byte string, {\"$float\":\"NaN\"} (+Inf, -Inf) a float,\n" +
			"{\"$ext\":[5,\"AP8=\"]} a msgpack extension; a map with that one name is\n" +
			"{\"$$base64\":...}.",
		Example: "  sliphost send flights --key /origin --timestamp /scheduled < flights.ndjson\n" +
			"  sliphost send flights --key-text LHR '{\"origin\":\"LHR\",\"delay\":20}'",
		Args: wants(1, -1, "a topic and values"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.hasKey, f.hasKeyText = cmd.Flags().Changed("key"), cmd.Flags().Changed("key-text")
			shape, err := f.shape()
			if err != nil {
				return err
			}
			return c.send(cmd.Context(), &src, args[0], args[1:], shape, &f)
		},
		ValidArgsFunction: topicIDs(&src),
	}
	cmd.Flags().StringVar(&f.key, "key", "", "JSON `pointer` to the key in each value, such as /origin")
	cmd.Flags().StringVar(&f.keyText, "key-text", "", "the key of every record, as `text`")
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "", "JSON `pointer[:layout]` to the timestamp: milliseconds since 1970, RFC 3339, or the layout of Go's package time (default: now)")
	cmd.Flags().Int32Var(&f.partition, "partition", -1, "`number` of the partition; -1 chooses by the key, as Java's clients do")
	cmd.Flags().StringArrayVar(&f.headers, "header", nil, "`name=value` of a header; may be repeated")
	cmd.Flags().BoolVar(&f.null, "null", false, "send an empty value as null: a tombstone")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "do not check values and keys against the topic's codecs")
	jsonFlag(cmd, &f.json)
	src.flags(cmd)
	return cmd
}

// shape is how values become records.
type shape struct {
	key       *codec.Pointer
	keyText   []byte
	stamp     *codec.TimePointer
	partition int32
	headers   []boot.Header
	null, raw bool
}

// shape checks the flags.
func (f *sendFlags) shape() (*shape, error) {
	s := &shape{partition: f.partition, null: f.null, raw: f.raw}
	if f.hasKey && f.hasKeyText {
		return nil, usagef("--key and --key-text exclude each other")
	}
	if f.hasKey {
		p, err := codec.ParsePointer(f.key)
		if err != nil {
			return nil, usagef("--key: %w", err)
		}
		s.key = &p
	}
	if f.hasKeyText {
		s.keyText = append([]byte{}, f.keyText...)
	}
	if f.timestamp != "" {
		t, err := codec.ParseTimePointer(f.timestamp)
		if err != nil {
			return nil, usagef("--timestamp: %w", err)
		}
		s.stamp = &t
	}
	if f.partition < -1 {
		return nil, usagef("--partition %d is no partition", f.partition)
	}
	for _, h := range f.headers {
		name, value, found := strings.Cut(h, "=")
		if !found || name == "" {
			return nil, usagef("--header %q is not name=value", h)
		}
		s.headers = append(s.headers, boot.Header{Name: name, Value: []byte(value)})
	}
	return s, nil
}

// sent is the result of a send.
type sent struct {
	Topic string `json:"topic"`
	Sent  int    `json:"sent"`
}

func (c *cli) send(ctx context.Context, src *source, topic string, values []string, s *shape, f *sendFlags) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	m, err := src.load(o)
	if err != nil {
		return err
	}
	to, err := boot.OpenSender(ctx, m, topic, o)
	if err != nil {
		return err
	}
	defer to.Close()
	next, what := argument(values), "value"
	if len(values) == 0 {
		if isTerminal(c.in) {
			fmt.Fprintln(c.errw, "reading records from the terminal, one a line; Ctrl-D ends")
		}
		next, what = lineReader(c.in), "line"
	}
	n, err := s.all(ctx, to, next)
	if err != nil {
		err = fmt.Errorf("%s %d: %w", what, n+1, err)
	}
	acked, ferr := to.Flush(ctx)
	var refused *boot.RefusedError
	if errors.As(ferr, &refused) {
		ferr = fmt.Errorf("%s %d: %w", what, refused.Index+1, refused)
		if refused.Refused > 1 {
			ferr = fmt.Errorf("%w; %d records were refused, and this one is the first", ferr, refused.Refused)
		}
	}
	name := to.Topic().ID
	if err != nil || ferr != nil {
		return errors.Join(err, ferr, fmt.Errorf("%s sent to %s", plural(acked, "record"), name))
	}
	if f.json {
		return writeJSON(c.out, sent{Topic: to.Topic().Name, Sent: acked})
	}
	_, err = fmt.Fprintf(c.out, "%s sent to %s\n", plural(acked, "record"), name)
	return err
}

// all sends what next returns and returns how many records it sent.
func (s *shape) all(ctx context.Context, to *boot.Sender, next func() ([]byte, error)) (int, error) {
	topic := to.Topic()
	r := recorder{shape: s, topic: &topic, keyWire: []byte{}, valueWire: []byte{}}
	r.keyCodec, r.valueCodec = to.Codecs()
	for n := 0; ; n++ {
		value, err := next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		var out *boot.Outgoing
		if err == nil {
			out, err = r.record(value)
		}
		if err == nil {
			err = to.Send(ctx, out)
		}
		if err != nil {
			return n, err
		}
	}
}

// recorder makes records of values; each is valid until the next one.
type recorder struct {
	*shape
	topic    *manifest.Topic
	out      boot.Outgoing
	key, tmp []byte

	keyCodec, valueCodec codec.Codec
	keyWire, valueWire   []byte
}

func (r *recorder) record(value []byte) (*boot.Outgoing, error) {
	r.out = boot.Outgoing{Partition: r.partition, Timestamp: -1, Key: r.keyText, Value: value, Headers: r.headers}
	if r.null && len(value) == 0 {
		r.out.Value = nil
	}
	isJSON := false
	if r.out.Value != nil && !r.raw {
		var err error
		if r.valueWire, err = r.encode(r.valueCodec, r.valueWire[:0], value); err != nil {
			return nil, fmt.Errorf("the value is not what topic %s holds: %w", r.topic.ID, err)
		}
		isJSON = r.valueCodec.Repr() == codec.Msgpack
		r.out.Value = r.valueWire
	}
	if (r.shape.key != nil || r.stamp != nil) && !isJSON {
		var err error
		if r.tmp, err = (codec.JSON{}).Decode(r.tmp[:0], value); err != nil {
			return nil, fmt.Errorf("a pointer needs a JSON value: %w", err)
		}
	}
	if r.shape.key != nil {
		raw, err := r.shape.key.Find(value)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		r.key = r.key[:0]
		if r.keyCodec.Repr() == codec.Msgpack {
			r.key = append(r.key, raw...)
		} else {
			r.key = codec.AppendText(r.key, raw)
		}
		r.out.Key = r.key
		if r.out.Key == nil {
			r.out.Key = []byte{}
		}
	}
	if r.out.Key != nil && !r.raw {
		var err error
		if r.keyWire, err = r.encode(r.keyCodec, r.keyWire[:0], r.out.Key); err != nil {
			return nil, fmt.Errorf("the key is not what topic %s has: %w", r.topic.ID, err)
		}
		r.out.Key = r.keyWire
	}
	if r.stamp != nil {
		ms, err := r.stamp.Millis(value)
		if err != nil {
			return nil, err
		}
		r.out.Timestamp = ms
	}
	return &r.out, nil
}

// encode appends what was given, in the form of a codec: JSON for whatever
// gives handlers typed values, with marks for what JSON has no word for, the bytes
// themselves otherwise. For the codec json, JSON stays as it was written.
func (r *recorder) encode(c codec.Codec, dst, given []byte) (wire []byte, err error) {
	if c.Repr() != codec.Msgpack {
		return c.Encode(dst, given)
	}
	if c == (codec.JSON{}) {
		if r.tmp, err = c.Decode(r.tmp[:0], given); err != nil {
			return dst, err
		}
		return append(dst, given...), nil
	}
	if r.tmp, err = codec.ReadJSON(r.tmp[:0], given); err != nil {
		return dst, err
	}
	return c.Encode(dst, r.tmp)
}

// argument returns the values of the command line one by one.
func argument(values []string) func() ([]byte, error) {
	i := 0
	return func() ([]byte, error) {
		if i == len(values) {
			return nil, io.EOF
		}
		i++
		return []byte(values[i-1]), nil
	}
}

// errLongLine refuses what could never be a record.
var errLongLine = fmt.Errorf("the line is longer than %d bytes", boot.MaxLine)

// lineReader cuts in into lines, which end before "\n" or "\r\n"; a last line
// may lack its end. A line is valid until the next one.
func lineReader(in io.Reader) func() ([]byte, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	var long []byte
	return func() ([]byte, error) {
		long = long[:0]
		for {
			part, err := r.ReadSlice('\n')
			switch {
			case err == nil && len(long) == 0:
				return withoutEnd(part), nil
			case len(long)+len(part) > boot.MaxLine:
				return nil, errLongLine
			}
			long = append(long, part...)
			switch {
			case err == nil:
				return withoutEnd(long), nil
			case errors.Is(err, bufio.ErrBufferFull):
			case errors.Is(err, io.EOF) && len(long) > 0:
				return withoutEnd(long), nil
			case errors.Is(err, io.EOF):
				return nil, io.EOF
			default:
				return nil, fmt.Errorf("read standard input: %w", err)
			}
		}
	}
}

func withoutEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
