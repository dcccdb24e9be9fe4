package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script for bash, zsh, fish or powershell",
		Long:  "Topics are completed too, from the manifest that -m names.",
		Example: "  sliphost completion bash > /etc/bash_completion.d/sliphost\n" +
			"  source <(sliphost completion zsh)",
		Args:      wants(1, 1, "one of bash, zsh, fish, powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.out, true)
			case "zsh":
				return root.GenZshCompletion(c.out)
			case "fish":
				return root.GenFishCompletion(c.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(c.out)
			}
			return usagef("there is no completion for %q; name one of bash, zsh, fish, powershell", args[0])
		},
	}
}

// manifestFiles completes the path of a manifest.
func manifestFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

// topicIDs completes the topics of the manifest that the command line names.
func topicIDs(src *source) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		m, err := boot.Load(src.path, boot.Options{Set: src.set})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for i := range m.Topics {
			ids = append(ids, m.Topics[i].ID)
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// shellWord quotes a word for a POSIX shell where that is needed.
func shellWord(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:@%+,"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
