package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/codec"
)

func (c *cli) cacheFollowCmd() *cobra.Command {
	f := &cacheFlags{}
	q := host.FollowQuery{}
	cmd := &cobra.Command{
		Use:   "follow CACHE",
		Short: "Print the updates of a kv cache as they are committed",
		Long: "It asks the running host, which reads the cache's changelog: updates of all\n" +
			"processes come, each key's last value of a commit. A line is partition, key and\n" +
			"value with tabs in between, without the value for a key that was removed. It\n" +
			"runs until it is interrupted or the host ends.\n\n" +
			"With --json a line is {\"partition\",\"offset\",\"key\",\"value\",\"deleted\",\"timestamp\",\n" +
			"\"id\"}; `--after ID` goes on behind such a line, also after restarts of the host.\n" +
			"The same comes as server-sent events from GET /v1/caches/CACHE/updates: see\n" +
			"docs/admin.md.",
		Example: "  sliphost cache follow delays-by-airport --value int\n" +
			"  sliphost cache follow delays-by-airport --prefix A --from-start --json",
		Args: wants(1, 1, "one cache"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Cache, q.Partition = args[0], f.partition
			return c.cacheFollow(cmd.Context(), f, q)
		},
	}
	cmd.Flags().StringVar(&q.Key, "key", "", "updates of this `key` only")
	cmd.Flags().StringVar(&q.Prefix, "prefix", "", "keys that begin with this `text`; for string and bytes keys")
	cmd.Flags().BoolVar(&q.Start, "from-start", false, "begin with the oldest update that the changelog has, not with the next one")
	cmd.Flags().StringVar(&q.After, "after", "", "go on behind the line with this `id`")
	jsonFlag(cmd, &f.json)
	f.add(cmd)
	return cmd
}

func (c *cli) cacheFollow(ctx context.Context, f *cacheFlags, q host.FollowQuery) error {
	render, err := valueRenderer(f.value, f.json)
	if err != nil {
		return err
	}
	switch {
	case f.partition < -1:
		return usagef("--partition cannot be negative")
	case q.Key != "" && q.Prefix != "":
		return usagef("--key excludes --prefix")
	case q.After != "" && q.Start:
		return usagef("--after excludes --from-start")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	o.StateDir = f.dir
	m, err := f.src.load(o)
	if err != nil {
		return err
	}
	var line []byte
	err = boot.FollowCache(ctx, m, o, &q, func(u *boot.CacheUpdate) error {
		line = appendUpdate(line[:0], u, f.json, render)
		_, err := c.out.Write(line)
		return err
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // the user has seen enough
	}
	return err
}

// appendUpdate appends the line of an update.
func appendUpdate(dst []byte, u *boot.CacheUpdate, asJSON bool, render func(dst, value []byte) []byte) []byte {
	if !asJSON {
		dst = fmt.Appendf(dst, "%d\t%s", u.Partition, u.KeyText)
		if u.Value != nil {
			dst = render(append(dst, '\t'), u.Value)
		}
		return append(dst, '\n')
	}
	dst = fmt.Appendf(dst, `{"partition":%d,"offset":%d,"key":`, u.Partition, u.Offset)
	dst = append(codec.RenderJSON(dst, nil, []byte(u.KeyText)), `,"value":`...)
	if u.Value == nil {
		dst = append(dst, "null"...)
	} else {
		dst = render(dst, u.Value)
	}
	return fmt.Appendf(dst, `,"deleted":%t,"timestamp":%d,"id":%s}`+"\n", u.Value == nil, u.Timestamp, strconv.Quote(u.Position))
}
