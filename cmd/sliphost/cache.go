package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/boot"
)

// cacheFlags are what the commands about caches have in common.
type cacheFlags struct {
	src       source
	dir       string
	partition int32
	value     string
	json      bool
}

const cacheLine = "With --json a line is {\"partition\",\"key\",\"value\"}: the key is a string as `cache\n" +
	"get` takes it, the value as --value says: text is a string, int and float are\n" +
	"numbers, msgpack is that value as JSON, hex is a string of hex digits; what does\n" +
	"not fit is {\"$base64\":\"...\"}.\n"

func (f *cacheFlags) add(cmd *cobra.Command) {
	cmd.Flags().Int32Var(&f.partition, "partition", -1, "look into this `partition` only")
	cmd.Flags().StringVar(&f.value, "value", "text", "how values are shown: text, msgpack, int, float or hex")
	grouped(cmd, "Output", "value")
	f.src.flags(cmd)
	cmd.Flags().StringVar(&f.dir, "state-dir", "", "`directory` of the host to look into, instead of the manifest's state_dir")
	grouped(cmd, "Advanced", "state-dir")
	_ = cmd.MarkFlagDirname("state-dir")
	_ = cmd.RegisterFlagCompletionFunc("value", cobra.FixedCompletions([]string{"text", "msgpack", "int", "float", "hex"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = f.complete
}

// complete offers the manifest's caches.
func (f *cacheFlags) complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	m, err := boot.Load(f.src.path, boot.Options{Set: f.src.set})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for i := range m.Caches {
		ids = append(ids, m.Caches[i].ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) cacheCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look into the caches of a host",
		Long: "A running host is asked over the socket in its state directory; it answers with\n" +
			"what is committed. Without one, the store that the last host left there is\n" +
			"read, with entries whose ttl has passed since.\n\n" +
			"Each host has the partitions that the group gave it. Those of other hosts are\n" +
			"named; ask them with --state-dir.",
		Example: "  sliphost cache get delays-by-airport ATL --value int\n" +
			"  sliphost cache scan delays-by-airport --prefix A --limit 10",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("there is no command %q of cache; there are get, scan, export and follow", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.cacheGetCmd(), c.cacheScanCmd(), c.cacheExportCmd(), c.cacheFollowCmd())
	return cmd
}

func (c *cli) cacheGetCmd() *cobra.Command {
	f := &cacheFlags{}
	cmd := &cobra.Command{
		Use:   "get CACHE KEY",
		Short: "Print the value of a key",
		Long: "KEY is written as the cache's key type has it: text, a number, true or false;\n" +
			"bytes may be 0x and hex digits. A key can be in several partitions, one for\n" +
			"each in which a handler wrote it; all are looked at. It exits 1 if there is no\n" +
			"value.\n\n" + cacheLine,
		Example: "  sliphost cache get delays-by-airport ATL --value int\n" +
			"  sliphost cache get delays-by-airport ATL --json --partition 3",
		Args: wants(2, 2, "a cache and a key"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.cacheGet(cmd.Context(), f, args[0], args[1]) },
	}
	jsonFlag(cmd, &f.json)
	f.add(cmd)
	return cmd
}

func (c *cli) cacheGet(ctx context.Context, f *cacheFlags, cache, text string) error {
	found := 0
	var missing []boot.Missing
	err := c.look(ctx, f, cache, lookup{found: &found, plain: func(dst []byte, _ int32, _ string, value []byte) []byte {
		return append(append(dst, value...), '\n')
	}, scan: func(info *host.CacheInfo, s *boot.Scan) error {
		key, err := boot.KeyTypeOf(info).Parse(nil, text)
		if err != nil {
			return usagef("%q is no key of cache %q, whose keys are of type %s: %w", text, cache, info.Key, err)
		}
		s.From, s.To = key, append(append([]byte{}, key...), 0)
		return nil
	}, missing: &missing})
	switch {
	case err != nil || found > 0:
		return err
	case len(missing) > 0:
		return fmt.Errorf("key %q is in no partition of cache %q that could be read here", text, cache)
	}
	return fmt.Errorf("cache %q has no key %q", cache, text)
}

func (c *cli) cacheScanCmd() *cobra.Command {
	f := &cacheFlags{}
	var prefix, from, to string
	var reverse bool
	var limit int
	cmd := &cobra.Command{
		Use:   "scan CACHE",
		Short: "Print entries in the order of their keys",
		Long: "Partition by partition, by key in each; numbers are ordered as numbers. A line\n" +
			"is partition, key and value with tabs in between.\n\n" + cacheLine,
		Example: "  sliphost cache scan delays-by-airport --from B --to D --value int\n" +
			"  sliphost cache scan delays-by-airport --reverse --limit 10 --json",
		Args: wants(1, 1, "one cache"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit cannot be negative")
			}
			if prefix != "" && (from != "" || to != "") {
				return usagef("--prefix excludes --from and --to")
			}
			return c.look(cmd.Context(), f, args[0], lookup{scan: func(info *host.CacheInfo, s *boot.Scan) error {
				s.Reverse, s.Limit = reverse, limit
				return bounds(info, s, prefix, from, to)
			}})
		},
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "keys that begin with this `text`; for string and bytes keys")
	cmd.Flags().StringVar(&from, "from", "", "keys from this `key` on")
	cmd.Flags().StringVar(&to, "to", "", "keys before this `key`")
	cmd.Flags().BoolVar(&reverse, "reverse", false, "the last keys of each partition first")
	cmd.Flags().IntVar(&limit, "limit", 0, "stop after that `many` entries")
	jsonFlag(cmd, &f.json)
	f.add(cmd)
	return cmd
}

// bounds turns the flags of a scan into stored keys.
func bounds(info *host.CacheInfo, s *boot.Scan, prefix, from, to string) error {
	k := boot.KeyTypeOf(info)
	for _, b := range []struct {
		flag, text string
		key        *[]byte
	}{{"--from", from, &s.From}, {"--to", to, &s.To}, {"--prefix", prefix, &s.From}} {
		if b.text == "" {
			continue
		}
		key, err := k.Parse(nil, b.text)
		if err != nil {
			return usagef("%s %q is no key of cache %q, whose keys are of type %s: %w", b.flag, b.text, info.ID, info.Key, err)
		}
		*b.key = key
	}
	if prefix != "" {
		if info.Key != "bytes" && info.Key != "string" {
			return usagef("--prefix is for string and bytes keys; those of cache %q are of type %s: use --from and --to", info.ID, info.Key)
		}
		s.To = afterPrefix(s.From)
	}
	return nil
}

// afterPrefix is the first key behind all that begin with prefix, nil if there
// is none.
func afterPrefix(prefix []byte) []byte {
	to := append([]byte{}, prefix...)
	for len(to) > 0 && to[len(to)-1] == 0xff {
		to = to[:len(to)-1]
	}
	if len(to) == 0 {
		return nil
	}
	to[len(to)-1]++
	return to
}

func (c *cli) cacheExportCmd() *cobra.Command {
	f := &cacheFlags{json: true}
	cmd := &cobra.Command{
		Use:   "export CACHE",
		Short: "Write a whole cache as JSON lines, to keep or to compare",
		Long: "Partition by partition, by key in each, so that two exports of equal caches are\n" +
			"equal. A running host is read a page of some thousand entries at a time: each\n" +
			"page is of one commit, and the whole is too if nothing is written meanwhile.\n" +
			"It exits 1 if a partition that is here could not be read.\n\n" +
			strings.Replace(cacheLine, "With --json a", "A", 1),
		Example: "  sliphost cache export delays-by-airport >delays.ndjson\n" +
			"  sliphost cache export delays-by-airport --value int --partition 0",
		Args: wants(1, 1, "one cache"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var missing []boot.Missing
			if err := c.look(cmd.Context(), f, args[0], lookup{missing: &missing}); err != nil {
				return err
			}
			for _, m := range missing {
				if m.Reason != "" {
					return errors.New("the export is not complete")
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", true, "JSON lines, as always")
	_ = cmd.Flags().MarkHidden("json")
	f.add(cmd)
	return cmd
}

// lookup is what one command wants to see and how. Everything may be nil.
type lookup struct {
	scan    func(*host.CacheInfo, *boot.Scan) error
	plain   func(dst []byte, partition int32, key string, value []byte) []byte
	missing *[]boot.Missing
	found   *int
}

// look scans a cache and prints what it finds, then what it could not read.
func (c *cli) look(ctx context.Context, f *cacheFlags, cache string, l lookup) error {
	render, err := valueRenderer(f.value, f.json)
	if err != nil {
		return err
	}
	if f.partition < -1 {
		return usagef("--partition cannot be negative")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	v, err := c.openCaches(ctx, f)
	if err != nil {
		return err
	}
	err = c.lookInto(ctx, v, f, cache, l, render)
	return errors.Join(err, v.Close())
}

func (c *cli) lookInto(ctx context.Context, v *boot.CacheView, f *cacheFlags, cache string, l lookup, render func(dst, value []byte) []byte) error {
	info, err := v.Cache(cache)
	if err != nil {
		return err
	}
	s := boot.Scan{Partition: f.partition}
	if l.scan != nil {
		if err := l.scan(info, &s); err != nil {
			return err
		}
	}
	k := boot.KeyTypeOf(info)
	w := bufio.NewWriterSize(c.out, 64<<10)
	var line, shown []byte
	missing, err := v.Scan(ctx, info, s, func(p int32, key, value []byte) error {
		shown = render(shown[:0], value)
		switch text := k.Text(key); {
		case f.json:
			line = appendCacheLine(line[:0], p, text, shown)
		case l.plain != nil:
			line = l.plain(line[:0], p, text, shown)
		default:
			line = fmt.Appendf(line[:0], "%d\t%s\t%s\n", p, text, shown)
		}
		if l.found != nil {
			*l.found++
		}
		_, err := w.Write(line)
		return err
	})
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if l.missing != nil {
		*l.missing = missing
	}
	c.tellMissing(v, info, missing)
	return nil
}

// openCaches finds the host or its store.
func (c *cli) openCaches(ctx context.Context, f *cacheFlags) (*boot.CacheView, error) {
	o := c.options(c.quiet())
	o.StateDir = f.dir
	m, err := f.src.load(o)
	if err != nil {
		return nil, err
	}
	return boot.OpenCaches(ctx, m, o)
}

// tellMissing names the partitions that were not looked at.
func (c *cli) tellMissing(v *boot.CacheView, info *host.CacheInfo, missing []boot.Missing) {
	var elsewhere []string
	for _, m := range missing {
		if m.Reason == "" {
			elsewhere = append(elsewhere, fmt.Sprint(m.Partition))
			continue
		}
		fmt.Fprintf(c.errw, "sliphost: %s\n", m.Reason)
	}
	switch {
	case len(elsewhere) == 0:
		if !v.Running && info.Kind == "local" {
			fmt.Fprintf(c.errw, "sliphost: cache %q is local: it has entries only while a host runs\n", info.ID)
		}
	case v.Running:
		fmt.Fprintf(c.errw, "sliphost: partitions not owned by this host: %s; ask the hosts that do with --state-dir (`sliphost lag` tells who owns what)\n", strings.Join(elsewhere, ", "))
	default:
		fmt.Fprintf(c.errw, "sliphost: partitions without entries in this store: %s\n", strings.Join(elsewhere, ", "))
	}
}
