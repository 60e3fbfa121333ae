package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) simulateCommand() *cobra.Command {
	var asked whatIf
	cmd := &cobra.Command{
		Use:   "simulate --lose SCOPE...",
		Short: "Where everything would go if members were lost or added, workloads grew, or Placements changed",
		Long: `Where everything would go, computed by the engine that decides, on what it
would decide on. Nothing is changed. SCOPE is member=NAME, zone=ZONE or
region=REGION. The file of --add holds documents of kind Member, the file of
--policy the Placements of workloads that exist.`,
		Example: `  hansa simulate --lose region=eu-central
  hansa simulate --lose member=tokyo --scale shop/web=12
  hansa simulate --add osaka.yaml
  hansa simulate --policy placement.yaml`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd, formatTable, formatJSON, formatYAML)
	cmd.Flags().StringArrayVar(&asked.lose, "lose", nil, "scope that is gone; may be repeated")
	cmd.Flags().StringArrayVar(&asked.scale, "scale", nil, "NS/NAME=REPLICAS of a workload; may be repeated")
	cmd.Flags().StringArrayVar(&asked.add, "add", nil, "file with members that would be there as well; may be repeated")
	cmd.Flags().StringArrayVar(&asked.policy, "policy", nil, "file with Placements that replace those in force; may be repeated")
	var request *gatewayv1.SimulateRequest
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		request, err = simulation(asked)
		return err
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		if err := asked.read(request, a.opts.Stdin); err != nil {
			return err
		}
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

// whatIf is what the flags say.
type whatIf struct{ lose, scale, add, policy []string }

// read adds the files to the request.
func (q whatIf) read(request *gatewayv1.SimulateRequest, stdin io.Reader) (err error) {
	if request.Add, err = inputs(q.add, stdin); err == nil {
		request.Policies, err = inputs(q.policy, stdin)
	}
	return err
}

// simulation checks the flags before anybody is asked.
func simulation(q whatIf) (*gatewayv1.SimulateRequest, error) {
	if len(q.lose)+len(q.scale)+len(q.add)+len(q.policy) == 0 {
		return nil, Usagef("nothing changes: give --lose SCOPE, --scale NS/NAME=REPLICAS, --add FILE or --policy FILE")
	}
	request := &gatewayv1.SimulateRequest{Lose: q.lose, Scale: map[string]int32{}}
	for _, text := range q.lose {
		if err := checkScope(text, "member", "zone", "region"); err != nil {
			return nil, err
		}
	}
	for _, text := range q.scale {
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
	if len(s.GetMoves()) == 0 {
		fmt.Fprintln(w, "nothing would move")
	} else if err := printMoves(w, s.GetMoves()); err != nil {
		return err
	}
	if err := printUnmet(w, s.GetUnmet()); err != nil {
		return err
	}
	if err := printOverrides(w, s); err != nil {
		return err
	}
	for _, rule := range s.GetRules() {
		fmt.Fprintf(w, "\nrule: %s", rule)
	}
	fmt.Fprintf(w, "\n%s: %.0f %% of the CPU of the members that are left stays free\n", fits(s), 100*s.GetHeadroom())
	return nil
}

func printMoves(w io.Writer, moves []*gatewayv1.Move) error {
	rows := [][]string{{"WORKLOAD", "MEMBER", "REPLICAS"}}
	for _, m := range moves {
		rows = append(rows, []string{m.GetWorkload(), m.GetMember(), fmt.Sprintf("%d → %d", m.GetFrom(), m.GetTo())})
	}
	return newGrid(w).print(rows...)
}

// printUnmet prints nothing when all demand is met.
func printUnmet(w io.Writer, unmet []*gatewayv1.Unmet) error {
	if len(unmet) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := [][]string{{"UNMET", "REPLICAS", "TIER", "WHY"}}
	for _, u := range unmet {
		rows = append(rows, []string{u.GetWorkload(), strconv.Itoa(int(u.GetReplicas())), strconv.Itoa(int(u.GetTier())), u.GetReason()})
	}
	return newGrid(w).print(rows...)
}

func fits(s *gatewayv1.SimulateResponse) string {
	if s.GetFits() {
		return "fits"
	}
	return "does not fit"
}
