package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// busCommand is the group of what is asked about the bus.
func (a *app) busCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bus", Short: "How the bus between hubs, gateways and members is"}
	cmd.AddCommand(a.busStatusCommand(), a.busDoctorCommand())
	return cmd
}

func (a *app) busStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Servers, streams, readers and members of the bus, worst first",
		Long: `The servers of the bus with the streams that they keep, who reads those and is
behind, and from where members are connected. The hub that leads asks every server.
Of long lists the worst lines are shown; -o wide shows all.`,
		Example: "  hansa bus status\n  hansa bus status -o json | jq '.connections[] | select(.rttMs > 200)'",
		Args:    cobra.NoArgs,
	}
	out := outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Events.GetBus(cmd.Context(), &gatewayv1.GetBusRequest{})
		if err != nil {
			return err
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		return printBus(c, answer, out.value == formatWide)
	})
	return cmd
}

func (a *app) busDoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What is wrong with the bus, why it matters and what to do; exit code 1 when something is",
		Example: `  hansa bus doctor
  hansa bus doctor -o json | jq -r '.findings[].check'`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Events.GetBus(cmd.Context(), &gatewayv1.GetBusRequest{})
		if err != nil {
			return err
		}
		if out.structured() {
			err = out.print(cmd.OutOrStdout(), treeOf(answer).pick("at", "leader", "findings", "omitted"))
		} else {
			printFindings(c, answer)
		}
		if n := len(answer.GetFindings()); err == nil && n > 0 {
			err = fmt.Errorf("%s about the bus", plural(n, "finding"))
		}
		return err
	})
	return cmd
}

func printFindings(c call, r *gatewayv1.GetBusResponse) {
	w := c.cmd.OutOrStdout()
	for _, f := range r.GetFindings() {
		fmt.Fprintf(w, "%s: %s: %s\n  why: %s\n  do:  %s\n", f.GetCheck(), f.GetAbout(), f.GetFound(), f.GetWhy(), f.GetDo())
	}
	for _, text := range r.GetOmitted() {
		fmt.Fprintf(w, "not looked at: %s\n", text)
	}
	if len(r.GetFindings()) == 0 {
		fmt.Fprintf(w, "nothing is wrong with the bus: %s, %s, %s\n",
			plural(len(r.GetServers()), "server"), plural(len(r.GetStreams()), "stream"), plural(len(r.GetConnections()), "connection"))
	}
}
