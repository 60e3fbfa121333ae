package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// versionCommand asks nobody, so that it works without a federation.
func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		platform := runtime.GOOS + "/" + runtime.GOARCH
		if out.structured() {
			return out.print(cmd.OutOrStdout(), object{
				{"version", a.opts.Version},
				{"goVersion", runtime.Version()},
				{"platform", platform},
			})
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "hansa %s %s %s\n", a.opts.Version, runtime.Version(), platform)
		return err
	}
	return cmd
}
