package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"gatehouse/cmd/gatehouse/cli"
)

func (p *program) configCommand() *cobra.Command {
	cmd := cli.Group(&cobra.Command{
		Use:   "config",
		Short: "Show and check the settings of a master before it is started with them",
		Long: "Both verbs take the flags of the agent, its GATEHOUSE_* variables and its YAML file (--config),\n" +
			"and start nothing.",
		Example: "  gatehouse config show --config /etc/gatehouse/gatehouse.yaml\n  gatehouse config validate --config /etc/gatehouse/gatehouse.yaml",
	})
	cmd.AddCommand(p.configShowCommand(), p.configValidateCommand())
	return cmd
}

func (p *program) configShowCommand() *cobra.Command {
	output := "yaml"
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every setting, and whether a flag, a variable, the file or a default decides it",
		Long: "Prints every setting as it counts in the end. YAML has the source in comments and can be used as a\n" +
			"configuration file, but for what is redacted. The exit status is 2 when something is wrong.",
		Example: "  gatehouse config show --expect 3 --listen 10.0.0.1:8101\n  gatehouse config show --config /etc/gatehouse/gatehouse.yaml --output json",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var wrong problems
			choice("output", output, &wrong, "yaml", "json")
			if err := wrong.err(); err != nil {
				return err
			}
			cfg, wrong := readConfig(cmd.Flags(), p.env)
			if err := showSettings(p.stdout, output, p.effective(cmd, cfg)); err != nil {
				return fmt.Errorf("print the settings: %w", err)
			}
			return wrong.err()
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&output, "output", "o", output, "yaml or json")
	addSettings(cmd.Flags())
	return cmd
}

func (p *program) configValidateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Say everything that is wrong with the settings and the files that they name",
		Long: "Checks the settings against each other and reads the key file, the certificates and every other file that\n" +
			"they name, as the agent does before it starts. Ports are not tried: the master that is to be restarted\n" +
			"has them. The exit status is 2 when something is wrong.",
		Example: "  gatehouse config validate --config /etc/gatehouse/gatehouse.yaml && systemctl restart gatehouse",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, wrong := readConfig(cmd.Flags(), p.env)
			(&means{}).readFiles(cfg, &wrong, &wrong)
			if err := wrong.err(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(p.stdout, "The configuration is right.")
			return err
		},
	}
	cmd.Flags().SortFlags = false
	addSettings(cmd.Flags())
	return cmd
}

// shownSetting is one setting as config show prints it.
type shownSetting struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	Source origin   `json:"source"`
}

// secretSettings are not for the screen: a hash can be guessed at.
var secretSettings = []string{"superuser-password-hash"}

// isSecret also finds a private key where a public one was asked for.
func isSecret(name string, values []string) bool {
	text := strings.Join(values, "")
	return text != "" && slices.Contains(secretSettings, name) || strings.Contains(text, "PRIVATE KEY")
}

// effective are all settings with the values that count: what is given as it is given, defaults as they were worked out.
func (p *program) effective(cmd *cobra.Command, cfg *config) []shownSetting {
	var ignored problems
	file := readConfigFile(cmd.Flags(), p.env, &ignored)
	var all []shownSetting
	for _, s := range settings {
		values, from := s.choose(cmd.Flags(), p.env, file)
		if from == byDefault {
			values = s.get(cfg)
		}
		if isSecret(s.name, values) {
			values = []string{"[redacted]"}
		}
		all = append(all, shownSetting{Name: s.name, Values: values, Source: from})
	}
	return all
}

func showSettings(w io.Writer, format string, all []shownSetting) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range all {
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: s.Name}, s.node())
	}
	return yaml.NewEncoder(w).Encode(doc)
}

// node is the value in YAML, its source in a comment.
func (s shownSetting) node() *yaml.Node {
	scalar := func(v string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v} }
	if len(s.Values) == 1 {
		n := scalar(s.Values[0])
		n.Tag, n.LineComment = "", string(s.Source)
		if s.Values[0] == "" {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, LineComment: string(s.Source)}
	for _, v := range s.Values {
		n.Content = append(n.Content, scalar(v))
	}
	return n
}
