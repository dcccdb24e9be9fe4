package main

import (
	"bufio"
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/codec"
)

func (c *cli) tapCmd() *cobra.Command {
	var src source
	var from, format string
	var asJSON bool
	t := boot.TapOptions{}
	cmd := &cobra.Command{
		Use:   "tap TOPIC",
		Short: "Show the records of a topic, one a line, as they come",
		Long: "TOPIC is an id of the manifest or a topic's name. It reads without a group:\n" +
			"nothing is taken from anybody, no position is stored. Only committed records\n" +
			"are shown, those of one partition in their order.\n\n" +
			"With --json a line is {\"topic\",\"partition\",\"offset\",\"timestamp\",\"key\",\"value\",\n" +
			"\"headers\"}: JSON values as JSON, text as a string, other bytes as\n" +
			"{\"$base64\":\"...\"}, what the codec refuses as {\"$text\":\"...\"} or, in base64,\n" +
			"{\"$raw\":\"...\"}; headers are a list of [name, value].\n\n" +
			"With -f a line is the format: %t topic, %p partition, %o offset, %T timestamp in\n" +
			"milliseconds, %k key, %s value, %K and %S their lengths (-1 for null), %h headers,\n" +
			"%% a percent sign; \\n, \\t, \\r, \\0 and \\\\ as in C. Nothing is added to it.",
		Example: "  sliphost tap late --from beginning --until-end --json\n" +
			"  sliphost tap late --from -10 -f '%p %o %k: %s\\n'",
		Args: wants(1, 1, "one topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from == "" {
				from = "end"
				if t.UntilEnd {
					from = "beginning"
				}
			}
			start, err := parseFrom(from)
			if err != nil {
				return err
			}
			t.Start = start
			if t.Count < 0 || t.Partition < -1 {
				return usagef("-n and --partition cannot be negative")
			}
			show := appendPlain
			switch {
			case asJSON && cmd.Flags().Changed("format"):
				return usagef("--json and --format exclude each other")
			case asJSON:
				show = appendTapJSON
			case cmd.Flags().Changed("format"):
				if show, err = parseFormat(format); err != nil {
					return err
				}
			}
			return c.tap(cmd.Context(), &src, args[0], t, show)
		},
		ValidArgsFunction: topicIDs(&src),
	}
	cmd.Flags().StringVar(&from, "from", "", "where to begin: beginning, end, an `offset`, -N for the last N of each partition, or a time such as 2026-01-31T12:00:00Z (default: end; with --until-end: beginning)")
	cmd.Flags().BoolVar(&t.UntilEnd, "until-end", false, "stop at the end as it is now")
	cmd.Flags().IntVarP(&t.Count, "count", "n", 0, "stop after that `many` records")
	cmd.Flags().Int32Var(&t.Partition, "partition", -1, "show this `partition` only")
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVarP(&format, "format", "f", "", "print each record by a `format`, as kcat does")
	grouped(cmd, "Output", "format")
	src.flags(cmd)
	return cmd
}

// parseFrom reads the value of --from.
func parseFrom(s string) (boot.TapStart, error) {
	switch s {
	case "beginning":
		return boot.TapStart{At: boot.TapBeginning}, nil
	case "end":
		return boot.TapStart{At: boot.TapEnd}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return boot.TapStart{At: boot.TapOffset, Offset: n}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return boot.TapStart{At: boot.TapTime, Time: at}, nil
		}
	}
	return boot.TapStart{}, usagef("--from %q is none of beginning, end, an offset, -N, a time such as 2026-01-31T12:00:00Z", s)
}

// showFunc appends a record as it is shown.
type showFunc func(dst []byte, t *boot.Tapped) ([]byte, error)

func (c *cli) tap(ctx context.Context, src *source, topic string, t boot.TapOptions, show showFunc) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	m, err := src.load(o)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(c.out, 64<<10)
	var line []byte
	return boot.Tap(ctx, m, topic, t, o, func(r *boot.Tapped) error {
		var err error
		if line, err = show(line[:0], r); err != nil {
			return err
		}
		_, err = w.Write(line)
		return err
	}, w.Flush)
}

// tapLine is the record as package codec renders it.
func tapLine(t *boot.Tapped) *codec.Line {
	l := &codec.Line{
		Topic: t.Topic.Name, Partition: t.Partition, Offset: t.Offset, Timestamp: t.Timestamp,
		Key: t.Key, Value: t.Value, Headers: t.Headers,
	}
	if l.KeyCodec = t.KeyCodec; l.KeyCodec == nil {
		l.KeyCodec, _ = codec.ByName(string(t.Topic.KeyCodec))
	}
	if l.ValueCodec = t.ValueCodec; l.ValueCodec == nil {
		l.ValueCodec, _ = codec.ByName(string(t.Topic.Codec))
	}
	return l
}

func appendTapJSON(dst []byte, t *boot.Tapped) ([]byte, error) {
	dst, err := codec.AppendLine(dst, tapLine(t))
	return append(dst, '\n'), err
}

// appendPlain is for people: place, key, value, with tabs in between.
func appendPlain(dst []byte, t *boot.Tapped) ([]byte, error) {
	l := tapLine(t)
	dst = append(dst, t.Topic.Name...)
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(t.Partition), 10)
	dst = append(dst, "]@"...)
	dst = strconv.AppendInt(dst, t.Offset, 10)
	dst = append(dst, '\t')
	dst = appendReadable(dst, l.KeyCodec, t.Key)
	dst = append(dst, '\t')
	dst = appendReadable(dst, l.ValueCodec, t.Value)
	return append(dst, '\n'), nil
}

// appendReadable writes text without quotes where that keeps the line whole.
func appendReadable(dst []byte, c codec.Codec, b []byte) []byte {
	if b != nil && (c == nil || c.Repr() != codec.Msgpack) && printable(b) {
		return append(dst, b...)
	}
	return codec.RenderJSON(dst, c, b)
}
