package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/secretmem"
)

// version is the release. CHANGELOG.md has an entry for each.
const version = "0.5.0"

// commit is set by the linker (see Makefile); a plain "go build" in a checkout leaves
// it to the build information.
var commit = ""

// buildCommit names the commit this binary was built from, or "unknown".
func buildCommit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision + dirty
}

// pkcs11Words says whether this binary can use PKCS#11 tokens.
func pkcs11Words() string {
	if autounseal.PKCS11Supported {
		return "yes"
	}
	return "no (built without a C compiler)"
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, commit, Go version and cluster level, and how this binary keeps keys",
		Example: "  gatehouse version",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "gatehouse %s\ncommit %s\ngo %s\nlevel %d\nmemory %s\npkcs11 %s\n",
				version, buildCommit(), runtime.Version(), maxLevel, secretmem.Supported(), pkcs11Words())
			return err
		},
	}
}
