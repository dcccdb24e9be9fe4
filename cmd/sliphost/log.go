package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// logFlags choose how a command talks on standard error.
type logFlags struct{ format, level string }

func (l *logFlags) flags(cmd *cobra.Command, level string) {
	cmd.Flags().StringVar(&l.format, "log-format", "auto", "text or json; auto is text on a terminal")
	cmd.Flags().StringVar(&l.level, "log-level", level, "debug, info, warn or error")
	grouped(cmd, "Logs", "log-format", "log-level")
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"auto", "text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
}

// logger makes the logger the flags ask for.
func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	switch l.level {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(l.level))
	default:
		return nil, usagef("--log-level %q is none of debug, info, warn, error", l.level)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	format := l.format
	if format == "auto" {
		format = "json"
		if isTerminal(w) {
			format = "text"
		}
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	}
	return nil, usagef("--log-format %q is none of auto, text, json", l.format)
}

// readable prints durations as people write them, also in JSON.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// quiet is the logger of commands that end soon: only what is wrong, in words.
func (c *cli) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.errw, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// isTerminal says whether someone is looking at w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// paint is for text on w: with colour codes on a terminal, plain elsewhere and
// where NO_COLOR is set.
func paint(w io.Writer) func(code, text string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || strings.EqualFold(os.Getenv("TERM"), "dumb") {
		return func(_, text string) string { return text }
	}
	return func(code, text string) string { return "\x1b[" + code + "m" + text + "\x1b[0m" }
}
