package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) describeWorkload() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "workload NS/NAME",
		Aliases:           []string{"workloads"},
		Short:             "A workload, its members and objects",
		Args:              oneKey("workload"),
		ValidArgsFunction: a.completeWorkloads(),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, args []string) error {
		k, err := key(args[0])
		if err != nil {
			return err
		}
		answer, err := c.Workloads.GetWorkload(cmd.Context(), &gatewayv1.GetWorkloadRequest{Namespace: k.Namespace, Name: k.Name})
		if err != nil {
			return c.suggestWorkload(args[0], err)
		}
		history, err := c.history("workload/" + args[0])
		if err != nil {
			return err
		}
		workload := answer.GetWorkload()
		if out.structured() {
			return out.print(cmd.OutOrStdout(), append(treeOf(workload), field{"events", trees(history)}))
		}
		w := cmd.OutOrStdout()
		section(w, "", workloadFacts(workload)...)
		section(w, "Members", shareRows(workload)...)
		section(w, "Objects", objectRows(workload)...)
		section(w, "Drift", driftRows(workload)...)
		section(w, "Overrides", overrideRows(overridesOf(workload))...)
		section(w, "Events", eventRows(history)...)
		return nil
	})
	return cmd
}

func workloadFacts(w *gatewayv1.Workload) [][]string {
	s := w.GetStatus()
	rows := [][]string{
		{"Workload", workloadKey(w)},
		{"State", or(s.GetState(), unknownState)},
		{"Ready", fmt.Sprintf("%d of %d", s.GetReady(), s.GetReplicas())},
		{"Epoch", fmt.Sprintf("%d, decided %s ago: %s", s.GetEpoch(), since(s.GetDecidedAt()), or(s.GetReason(), none))},
		{"Source", or(w.GetSpec().GetSource(), none)},
	}
	if s.GetUnmet() > 0 {
		rows = append(rows, []string{"Unmet", fmt.Sprintf("%s found no room", plural(int(s.GetUnmet()), "replica"))})
	}
	if s.GetMessage() != "" {
		rows = append(rows, []string{"Message", s.GetMessage()})
	}
	return rows
}

func shareRows(w *gatewayv1.Workload) [][]string {
	var rows [][]string
	for _, m := range w.GetStatus().GetMembers() {
		state := m.GetState()
		if m.GetStale() {
			state = unknownState
		}
		note := m.GetMessage()
		if m.GetShifted() {
			note = or(note, "carries no traffic")
		}
		rows = append(rows, []string{m.GetMember(), or(m.GetRegion(), none), state, memberShare(m), "observed " + heardAgo(m.GetAgeMs()), note})
	}
	return rows
}

// objectRows lists the objects of every member with their states.
func objectRows(w *gatewayv1.Workload) [][]string {
	var rows [][]string
	for _, m := range w.GetStatus().GetMembers() {
		for _, o := range m.GetObjects() {
			rows = append(rows, []string{o.GetId(), m.GetMember(), o.GetState(), o.GetMessage()})
		}
	}
	return rows
}

// driftRows lists the fields that others changed in members, and whether that stands.
func driftRows(w *gatewayv1.Workload) [][]string {
	var rows [][]string
	for _, m := range w.GetStatus().GetMembers() {
		for _, o := range m.GetObjects() {
			stands := "stands"
			if o.GetCorrectedAt() != nil {
				stands = "corrected " + since(o.GetCorrectedAt()) + " ago"
			}
			for _, d := range o.GetDrift() {
				rows = append(rows, []string{
					o.GetId(), m.GetMember(), d.GetPath(), "wanted " + d.GetWanted() + ", found " + or(d.GetFound(), "nothing"),
					"by " + or(d.GetManager(), "nobody that says so"), stands,
				})
			}
		}
	}
	return rows
}
