package cli

import (
	"fmt"
	"io"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// overrideRows lists what overrides change in members, a row for each field.
func overrideRows(effects []*gatewayv1.OverrideEffect) [][]string {
	var rows [][]string
	for _, e := range effects {
		if e.GetError() != "" {
			rows = append(rows, []string{e.GetMember(), "", "", "cannot be carried out: " + e.GetError()})
			continue
		}
		change := or(e.GetFrom(), "nothing") + " → " + or(e.GetTo(), "nothing")
		rows = append(rows, []string{e.GetMember(), overrideName(e), e.GetObject(), e.GetPath() + ": " + change})
	}
	return rows
}

// overrideName is "overrides[1] when member.region == …".
func overrideName(e *gatewayv1.OverrideEffect) string {
	name := fmt.Sprintf("overrides[%d]", e.GetOverride())
	if e.GetWhen() != "" {
		name += " when " + e.GetWhen()
	}
	return name
}

// overridesOf gathers what overrides change in all members of a workload.
func overridesOf(w *gatewayv1.Workload) []*gatewayv1.OverrideEffect {
	var out []*gatewayv1.OverrideEffect
	for _, m := range w.GetStatus().GetMembers() {
		out = append(out, m.GetOverrides()...)
	}
	return out
}

// printOverrides prints nothing when no override counts where something would move to.
func printOverrides(w io.Writer, s *gatewayv1.SimulateResponse) error {
	if len(s.GetOverrides()) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := [][]string{{"WORKLOAD", "MEMBER", "OVERRIDE", "OBJECT", "CHANGE"}}
	for i, row := range overrideRows(s.GetOverrides()) {
		rows = append(rows, append([]string{s.GetOverrides()[i].GetWorkload()}, row...))
	}
	if err := newGrid(w).print(rows...); err != nil {
		return err
	}
	if n := s.GetOverridesUnlisted(); n > 0 {
		fmt.Fprintf(w, "and %d changes more\n", n)
	}
	return nil
}
