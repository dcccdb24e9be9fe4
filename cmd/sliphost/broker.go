package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) brokerCmd() *cobra.Command {
	o := boot.BrokerOptions{}
	var logs logFlags
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run the embedded broker by itself, in the foreground",
		Long: "It speaks Kafka's protocol on loopback and prints its address once it answers.\n" +
			"Other commands start it on demand, in broker/ of their state directory; this\n" +
			"one is for other clients and for looking on. It is made for first runs and\n" +
			"tests: when it is killed, records may be lost and transactions torn.",
		Example: "  sliphost broker\n  sliphost broker --dir .sliphost/broker --addr 127.0.0.1:9092 --idle-exit 0",
		Args:    wants(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logs.logger(c.errw)
			if err != nil {
				return err
			}
			if o.IdleExit < 0 {
				return usagef("--idle-exit cannot be negative")
			}
			o.Logger = log
			o.Ready = func(addr string) { fmt.Fprintln(c.out, addr) }
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return boot.RunBroker(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", filepath.Join(".sliphost", "broker"), "`directory` of the broker's data")
	cmd.Flags().StringVar(&o.Addr, "addr", "", "`host:port` on loopback; by default the port used last, or any free one")
	cmd.Flags().DurationVar(&o.IdleExit, "idle-exit", 30*time.Second, "end that long after the last client left; 0 is never")
	logs.flags(cmd, "info")
	return cmd
}
