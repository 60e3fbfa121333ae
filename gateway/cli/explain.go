package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) explainCommand() *cobra.Command {
	var diff, replay bool
	cmd := &cobra.Command{
		Use:   "explain NS/NAME",
		Short: "Why a workload is where it is: every member's reason or score",
		Example: `  hansa explain shop/web
  hansa explain shop/web --diff
  hansa explain shop/web --replay`,
		Args:              oneKey("workload"),
		ValidArgsFunction: a.completeWorkloads(),
	}
	out := outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML)
	cmd.Flags().BoolVar(&diff, "diff", false, "what is different from the decision before")
	cmd.Flags().BoolVar(&replay, "replay", false, "make the decision again from the inputs it was made from, and compare; exit 1 when it differs")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if diff && replay {
			return Usagef("give either --diff or --replay, not both")
		}
		return nil
	}
	cmd.RunE = a.asking(func(c call, args []string) error {
		k, err := key(args[0])
		if err != nil {
			return err
		}
		if replay {
			return c.replay(k, out)
		}
		answer, err := c.Workloads.Explain(cmd.Context(), &gatewayv1.ExplainRequest{Namespace: k.Namespace, Name: k.Name})
		if err != nil {
			return c.suggestWorkload(args[0], err)
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		if diff {
			return printDifferences(c, answer)
		}
		return printExplanation(c, answer, out.value == formatWide)
	})
	return cmd
}

// replay asks whether the stored decision comes out again.
func (c call) replay(k federation.Key, out *format) error {
	answer, err := c.Workloads.Replay(c.cmd.Context(), &gatewayv1.ReplayRequest{Namespace: k.Namespace, Name: k.Name})
	if err != nil {
		return c.suggestWorkload(k.String(), err)
	}
	if out.structured() {
		if err := out.print(c.cmd.OutOrStdout(), treeOf(answer)); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.cmd.OutOrStdout(), "%s, epoch %d: %s\n", answer.GetWorkload(), answer.GetEpoch(), answer.GetDetail())
	}
	if !answer.GetSame() {
		return fmt.Errorf("the decision about %s could not be repeated", answer.GetWorkload())
	}
	return nil
}

func printDifferences(c call, e *gatewayv1.ExplainResponse) error {
	w := c.cmd.OutOrStdout()
	fmt.Fprintf(w, "%s, epoch %d, decided %s ago because %s\n", e.GetWorkload(), e.GetEpoch(), since(e.GetDecidedAt()), or(e.GetReason(), "of nothing that is known"))
	if len(e.GetChanges()) == 0 {
		fmt.Fprintln(w, "nothing is different from the decision before, or there was none")
		return nil
	}
	rows := [][]string{{"MEMBER", "REPLICAS", "BEFORE", "NOW"}}
	for _, d := range e.GetChanges() {
		rows = append(rows, []string{d.GetMember(), fmt.Sprintf("%d → %d", d.GetFrom(), d.GetTo()), d.GetBefore(), d.GetAfter()})
	}
	fmt.Fprintln(w)
	return newGrid(w).print(rows...)
}

func printExplanation(c call, e *gatewayv1.ExplainResponse, wide bool) error {
	w := c.cmd.OutOrStdout()
	fmt.Fprintf(w, "%s, epoch %d, decided %s ago", e.GetWorkload(), e.GetEpoch(), since(e.GetDecidedAt()))
	if e.GetReason() != "" {
		fmt.Fprintf(w, " because %s", e.GetReason())
	}
	fmt.Fprintf(w, "\n%s\n\n", e.GetSummary())
	rows := [][]string{{"MEMBER", "DECISION", "REPLICAS", "FITS", "SCORE", "WHY"}}
	for _, m := range e.GetMembers() {
		rows = append(rows, explanationRow(m, wide))
	}
	if err := newGrid(w).print(rows...); err != nil {
		return err
	}
	if e.GetRelaxation() != "" {
		fmt.Fprintf(w, "\nrelaxed: %s\n", e.GetRelaxation())
	}
	if len(e.GetRules()) > 0 {
		fmt.Fprintf(w, "\nrules:\n  %s\n", strings.Join(e.GetRules(), "\n  "))
	}
	if wide {
		fmt.Fprintf(w, "\ninputs: %s\n", e.GetInputsHash())
	}
	return nil
}

// explanationRow is one member's line: the filter that refused it with what would
// help, or its scores.
func explanationRow(m *gatewayv1.MemberExplanation, wide bool) []string {
	decision, score, fits := "left out", strconv.FormatFloat(m.GetTotal(), 'f', 1, 64), strconv.Itoa(int(m.GetFits()))
	if m.GetChosen() {
		decision = "chosen"
	}
	why := scores(m.GetScores(), wide)
	if m.GetFilter() != "" {
		score, fits = none, none
		why = m.GetFilter() + ": " + m.GetReason()
		if m.GetRemedy() != "" {
			why += " (" + m.GetRemedy() + ")"
		}
	} else if m.GetReason() != "" {
		why = strings.Trim(m.GetReason()+"; "+why, "; ")
	}
	return []string{m.GetMember(), decision, strconv.Itoa(int(m.GetReplicas())), fits, score, why}
}

// scores is "latency 90×3 (12 ms to osaka), balance 60×1".
func scores(all []*gatewayv1.Score, wide bool) string {
	var out []string
	for _, s := range all {
		text := fmt.Sprintf("%s %.0f×%s", s.GetName(), s.GetValue(), strconv.FormatFloat(s.GetWeight(), 'f', -1, 64))
		if wide && s.GetDetail() != "" {
			text += " (" + s.GetDetail() + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
