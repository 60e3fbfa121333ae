package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) taintCommand() *cobra.Command {
	return a.markCommand("taint", "untaint", &cobra.Command{
		Use:   "taint MEMBER KEY[=VALUE]:EFFECT... | KEY[:EFFECT]-...",
		Short: "Keep workloads off a member that do not tolerate it; with a \"-\" at the end: no longer",
		Long: `Keep workloads off a member that do not tolerate it. EFFECT is NoSchedule (nothing
new), PreferNoSchedule (better nothing new) or NoExecute (what runs leaves as well,
after the seconds that its Placement tolerates).`,
		Example: `  hansa taint tokyo maintenance=disk:NoExecute
  hansa taint tokyo maintenance-`,
	})
}

func (a *app) labelCommand() *cobra.Command {
	return a.markCommand("label", "unlabel", &cobra.Command{
		Use:   "label MEMBER KEY=VALUE... | KEY-...",
		Short: "Describe a member to Placements; with a \"-\" at the end: no longer",
		Example: `  hansa label tokyo tier=gold
  hansa label tokyo tier-`,
	})
}

// markCommand carries out add for each argument, and remove for those that end in
// "-", one after the other.
func (a *app) markCommand(add, remove string, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.MinimumNArgs(2)
	cmd.ValidArgsFunction = a.completeMembers()
	cmd.RunE = a.asking(func(c call, args []string) error {
		for _, text := range args[1:] {
			action, argument := add, text
			if cut, ends := strings.CutSuffix(text, "-"); ends {
				action, argument = remove, cut
			}
			_, err := c.Members.UpdateMember(c.cmd.Context(), &gatewayv1.UpdateMemberRequest{Name: args[0], Action: action, Argument: argument})
			if err != nil {
				return c.suggestMember(args[0], err)
			}
			fmt.Fprintf(c.cmd.OutOrStdout(), "member %s: %s %s\n", args[0], action, argument)
		}
		return nil
	})
	return cmd
}
