package cli

import "github.com/spf13/cobra"

// apiVersion is that of every object that is shown.
const apiVersion = "hansa.io/v1alpha1"

func (a *app) getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get",
		Short: "List members, workloads, services, operations, scores, statusrules or events",
		Example: `  hansa get members
  hansa get workloads -w
  hansa get workloads shop/web -o json
  hansa get events shop/web`,
	}
	cmd.AddCommand(
		members.command(a), workloads.command(a), services.command(a), operations.command(a), scoreKind.command(a), statusRules.command(a), a.eventsCommand(),
	)
	return cmd
}
