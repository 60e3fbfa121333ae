package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) simulateCommand() *cobra.Command {
	var lose, scale []string
	cmd := &cobra.Command{
		Use:   "simulate --lose SCOPE...",
		Short: "Where everything would go if members were lost or workloads grew",
		Long: `Where everything would go, computed by the engine that decides, on what it
would decide on. Nothing is changed. SCOPE is member=NAME, zone=ZONE or
region=REGION.`,
		Example: `  hansa simulate --lose region=eu-central
  hansa simulate --lose member=tokyo --scale shop/web=12`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd, formatTable, formatJSON, formatYAML)
	cmd.Flags().StringArrayVar(&lose, "lose", nil, "scope that is gone; may be repeated")
	cmd.Flags().StringArrayVar(&scale, "scale", nil, "NS/NAME=REPLICAS of a workload; may be repeated")
	var request *gatewayv1.SimulateRequest
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		request, err = simulation(lose, scale)
		return err
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Workloads.Simulate(cmd.Context(), request)
		if err != nil {
			return err
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		return printSimulation(c, answer)
	})
	return cmd
}

// simulation checks the flags before anybody is asked.
func simulation(lose, scale []string) (*gatewayv1.SimulateRequest, error) {
	if len(lose)+len(scale) == 0 {
		return nil, Usagef("nothing changes: give --lose SCOPE or --scale NS/NAME=REPLICAS")
	}
	request := &gatewayv1.SimulateRequest{Lose: lose, Scale: map[string]int32{}}
	for _, text := range lose {
		if err := checkScope(text, "member", "zone", "region"); err != nil {
			return nil, err
		}
	}
	for _, text := range scale {
		name, number, _ := strings.Cut(text, "=")
		replicas, err := strconv.ParseInt(number, 10, 32)
		if _, keyErr := federation.ParseKey(name); keyErr != nil || err != nil || replicas < 0 {
			return nil, Usagef("--scale %q: want NS/NAME=REPLICAS, for example shop/web=12", text)
		}
		request.Scale[name] = int32(replicas)
	}
	return request, nil
}

// checkScope refuses a scope that is none, or not of one of these sorts.
func checkScope(text string, sorts ...string) error {
	scope, err := federation.ParseScope(text)
	if err == nil {
		for _, s := range sorts {
			if s == scope.By {
				return nil
			}
		}
		return Usagef("scope %q: want one of %s", text, strings.Join(sorts, ", "))
	}
	by, _, _ := strings.Cut(text, "=")
	if near := closest(by, sorts); near != "" && near != by {
		return Usagef("%s: did you mean %q?", err, near+"=…")
	}
	return Usagef("%s", err)
}

func printSimulation(c call, s *gatewayv1.SimulateResponse) error {
	w := c.cmd.OutOrStdout()
	if len(s.GetLost()) > 0 {
		fmt.Fprintf(w, "lost: %s\n\n", strings.Join(s.GetLost(), ", "))
	}
	var rows [][]string
	for _, m := range s.GetMoves() {
		rows = append(rows, []string{m.GetWorkload(), m.GetMember(), fmt.Sprintf("%d → %d", m.GetFrom(), m.GetTo())})
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "nothing would move")
	} else if err := newGrid(w).print(append([][]string{{"WORKLOAD", "MEMBER", "REPLICAS"}}, rows...)...); err != nil {
		return err
	}
	rows = nil
	for _, u := range s.GetUnmet() {
		rows = append(rows, []string{u.GetWorkload(), strconv.Itoa(int(u.GetReplicas())), strconv.Itoa(int(u.GetTier())), u.GetReason()})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := newGrid(w).print(append([][]string{{"UNMET", "REPLICAS", "TIER", "WHY"}}, rows...)...); err != nil {
			return err
		}
	}
	for _, rule := range s.GetRules() {
		fmt.Fprintf(w, "\nrule: %s", rule)
	}
	fmt.Fprintf(w, "\n%s: %.0f %% of the CPU of the members that are left stays free\n", fits(s), 100*s.GetHeadroom())
	return nil
}

func fits(s *gatewayv1.SimulateResponse) string {
	if s.GetFits() {
		return "fits"
	}
	return "does not fit"
}
