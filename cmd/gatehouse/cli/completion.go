package cli

import "github.com/spf13/cobra"

func (a *app) completionCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "completion", Short: "Print what makes a shell complete this program's verbs and flags",
		Example: "  gatehouse completion bash",
	})
	shell := func(name, example string, generate func(root *cobra.Command) error) *cobra.Command {
		return a.verb(name, "For "+name, example, NoArgs, func(cmd *cobra.Command, _ []string) error { return generate(cmd.Root()) })
	}
	cmd.AddCommand(
		shell("bash", "  gatehouse completion bash >/etc/bash_completion.d/gatehouse",
			func(root *cobra.Command) error { return root.GenBashCompletionV2(a.env.Stdout, true) }),
		shell("zsh", "  gatehouse completion zsh >/usr/local/share/zsh/site-functions/_gatehouse",
			func(root *cobra.Command) error { return root.GenZshCompletion(a.env.Stdout) }),
		shell("fish", "  gatehouse completion fish >/etc/fish/completions/gatehouse.fish",
			func(root *cobra.Command) error { return root.GenFishCompletion(a.env.Stdout, true) }))
	return cmd
}
