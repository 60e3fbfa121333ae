package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) readinessCommand() *cobra.Command {
	var least float64
	cmd := &cobra.Command{
		Use:   "readiness",
		Short: "How well the loss of each member and region would be borne, worst first",
		Long: `How well the loss of each member and of each region would be borne: the share of
the displaced replicas that finds room elsewhere, weighted by tier, 0 to 100. It is
computed by the engine that decides, on what it would decide on. The hub does so by
itself after every change; its metric is hansa_hub_readiness_score.`,
		Example: `  hansa readiness
  hansa readiness --least 90 || echo "not ready for a loss"`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML)
	cmd.Flags().Float64Var(&least, "least", 0, "exit 1 when the score is below it")
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Workloads.GetReadiness(cmd.Context(), &gatewayv1.GetReadinessRequest{})
		if err != nil {
			return err
		}
		if out.structured() {
			err = out.print(cmd.OutOrStdout(), treeOf(answer))
		} else {
			err = printReadiness(c, answer, out.value == formatWide)
		}
		if err == nil && answer.GetScore() < least {
			err = fmt.Errorf("readiness is %.0f, at least %.0f is wanted", answer.GetScore(), least)
		}
		return err
	})
	return cmd
}

func printReadiness(c call, r *gatewayv1.GetReadinessResponse, wide bool) error {
	w := c.cmd.OutOrStdout()
	fmt.Fprintf(w, "readiness %.0f of 100, checked %s ago\n\n", r.GetScore(), since(r.GetCheckedAt()))
	rows := [][]string{{"LOSS OF", "SCORE", "DISPLACED", "SHORT", "FIX FIRST"}}
	for _, s := range r.GetScenarios() {
		rows = append(rows, []string{
			s.GetLost(), strconv.FormatFloat(s.GetScore(), 'f', 0, 64), strconv.FormatInt(s.GetDisplaced(), 10),
			strconv.FormatInt(s.GetShort(), 10), or(s.GetFix(), none),
		})
		if !wide {
			continue
		}
		for _, u := range s.GetUnmet() {
			rows = append(rows, []string{"  " + u.GetWorkload(), none, none, strconv.Itoa(int(u.GetReplicas())), u.GetReason()})
		}
	}
	return newGrid(w).print(rows...)
}
