package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) rebalanceCommand() *cobra.Command {
	var dryRun bool
	var budget int64
	cmd := &cobra.Command{
		Use:   "rebalance [NS/NAME]",
		Short: "Place workloads anew with the present room; what runs well stays",
		Long: `Place one workload, or all of them, anew: replicas go where they would go today.
Nothing moves that would leave more demand unmet, and staying counts (the score
"stay"). Workloads that move the fewest replicas go first; --budget bounds how many
move in all.`,
		Example: `  hansa rebalance --dry-run
  hansa rebalance shop/web --yes
  hansa rebalance --budget 10 --yes`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeWorkloads(),
	}
	out := outputFlag(cmd, formatTable, formatJSON, formatYAML)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would move")
	budgetFlag(cmd, &budget)
	YesFlag(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		if err := checkBudget(budget); err != nil {
			return err
		}
		if len(args) == 1 {
			_, err := key(args[0])
			return err
		}
		return nil
	}
	cmd.RunE = a.asking(func(c call, args []string) error {
		request := &gatewayv1.RebalanceRequest{DryRun: dryRun, Budget: budget}
		what := "all workloads"
		if len(args) == 1 {
			k, err := federation.ParseKey(args[0])
			if err != nil {
				return err
			}
			request.Namespace, request.Name, what = k.Namespace, k.Name, args[0]
		}
		if !dryRun {
			if err := Confirm(cmd, fmt.Sprintf("Place %s anew?", what)); err != nil {
				return err
			}
		}
		answer, err := c.Workloads.Rebalance(cmd.Context(), request)
		if err != nil {
			return c.suggestWorkload(what, err)
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		if len(answer.GetMoves()) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing would come out better placed")
			return nil
		}
		return printMoves(cmd.OutOrStdout(), answer.GetMoves())
	})
	return cmd
}

// budgetFlag adds the bound of a verb that moves replicas by choice.
func budgetFlag(cmd *cobra.Command, budget *int64) {
	cmd.Flags().Int64Var(budget, "budget", 0, "replicas that may move at most; 0: no bound")
}

func checkBudget(budget int64) error {
	if budget < 0 {
		return Usagef("--budget %d: want 0 (no bound) or more", budget)
	}
	return nil
}
