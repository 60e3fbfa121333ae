package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// recentEvents is how many events a description ends with.
const recentEvents = 10

func (a *app) describeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe",
		Short: "All that is known about one member, workload, operation or statusrule",
		Example: `  hansa describe member frankfurt
  hansa describe workload shop/web
  hansa describe operation 7f3a`,
	}
	cmd.AddCommand(a.describeMember(), a.describeWorkload(), a.describeOperation(), a.describeStatusRule())
	return cmd
}

// section prints a title and rows under it, nothing without rows.
func section(w io.Writer, title string, rows ...[]string) {
	if len(rows) == 0 {
		return
	}
	if title != "" {
		fmt.Fprintf(w, "\n%s\n", title)
	}
	for _, row := range rows {
		row[0] = "  " + row[0]
	}
	newGrid(w).print(rows...)
}

func (a *app) describeMember() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "member NAME",
		Aliases:           []string{"members"},
		Short:             "A member, and the evidence behind its health",
		Args:              one("NAME of a member"),
		ValidArgsFunction: a.completeMembers(),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, args []string) error {
		answer, err := c.Members.GetMember(cmd.Context(), &gatewayv1.GetMemberRequest{Name: args[0]})
		if err != nil {
			return c.suggestMember(args[0], err)
		}
		history, err := c.history("member/" + args[0])
		if err != nil {
			return err
		}
		if out.structured() {
			tree := append(treeOf(answer.GetMember()), treeOf(answer).pick("evidence")...)
			return out.print(cmd.OutOrStdout(), append(tree, field{"events", trees(history)}))
		}
		w := cmd.OutOrStdout()
		section(w, "", memberFacts(answer.GetMember())...)
		section(w, "Evidence", evidenceRows(answer.GetEvidence())...)
		section(w, "Events", eventRows(history)...)
		return nil
	})
	return cmd
}

func memberFacts(m *gatewayv1.Member) [][]string {
	s, place := m.GetStatus(), m.GetSpec().GetPlace()
	rows := [][]string{
		{"Member", m.GetMetadata().GetName()},
		{"Place", fmt.Sprintf("region %s, zone %s, %s", or(place.GetRegion(), none), or(place.GetZone(), none), coordinates(place))},
		{"Health", fmt.Sprintf("%s for %s", memberHealth(m), since(s.GetSince()))},
		{"Verdict", or(s.GetVerdict(), none)},
		{"Reason", or(s.GetReason(), none)},
		{"Last beat", heardAgo(s.GetLastBeatAgeMs()) + fmt.Sprintf(", incarnation %d", s.GetIncarnation())},
		{"Kubernetes", or(s.GetKubernetesVersion(), none)},
		{"Nodes", lastKnown(s) + fmt.Sprintf("%d ready of %d, %s", s.GetNodesReady(), s.GetNodes(), nodeKinds(s, "of unknown kind"))},
	}
	for _, resource := range slices.Sorted(maps.Keys(s.GetCapacity())) {
		rows = append(rows, []string{"Free " + resource, lastKnown(s) + freeOf(resource, s.GetFree(), s.GetCapacity())})
	}
	for _, t := range m.GetSpec().GetTaints() {
		rows = append(rows, []string{"Taint", t.GetKey() + "=" + t.GetValue() + ":" + t.GetEffect()})
	}
	if len(m.GetMetadata().GetLabels()) > 0 {
		rows = append(rows, []string{"Labels", labels(m.GetMetadata().GetLabels())})
	}
	if s.GetCredentialsExpireAt() != nil {
		rows = append(rows, []string{"Credentials", holdUntil(s.GetCredentialsExpireAt().AsTime())})
	}
	if s.GetMasked() != "" {
		rows = append(rows, []string{"Masked", "by drill " + s.GetMasked()})
	}
	if s.GetStale() {
		rows = append(rows, []string{"Stale", "the facts are " + since(s.GetObservedAt()) + " old; what runs there is unknown"})
	}
	return rows
}

// holdUntil says how long the agent's credentials of the bus hold.
func holdUntil(at time.Time) string {
	if time.Now().After(at) {
		return "expired at " + at.UTC().Format(time.RFC3339)
	}
	return "hold until " + at.UTC().Format(time.RFC3339)
}

// lastKnown marks a fact of a member that is silent.
func lastKnown(s *gatewayv1.MemberStatus) string {
	if s.GetStale() {
		return "Unknown, at last "
	}
	return ""
}

func labels(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, ",")
}

func evidenceRows(evidence []*gatewayv1.Evidence) [][]string {
	var rows [][]string
	for _, e := range evidence {
		rows = append(rows, []string{e.GetObserver(), e.GetWhat(), e.GetSignal(), heardAgo(e.GetAgeMs()), e.GetDetail()})
	}
	return rows
}

// history is the newest events about a subject.
func (c call) history(subject string) ([]*gatewayv1.Event, error) {
	answer, err := c.Events.ListEvents(c.cmd.Context(), &gatewayv1.ListEventsRequest{About: subject, Limit: recentEvents})
	return answer.GetItems(), err
}

func eventRows(history []*gatewayv1.Event) [][]string {
	var rows [][]string
	for _, e := range history {
		rows = append(rows, []string{since(e.GetAt()) + " ago", e.GetType(), e.GetText()})
	}
	return rows
}

func trees(history []*gatewayv1.Event) []any {
	out := []any{}
	for _, e := range history {
		out = append(out, treeOf(e))
	}
	return out
}

// suggestMember adds the nearest name to "not found".
func (c call) suggestMember(name string, err error) error {
	if !notFound(err) {
		return err
	}
	all, _, listErr := members.fetch(c, query{})
	if listErr != nil {
		return err
	}
	return members.unknown(name, members.keys(all))
}

// suggestWorkload adds the nearest name to "not found".
func (c call) suggestWorkload(name string, err error) error {
	if !notFound(err) {
		return err
	}
	all, _, listErr := workloads.fetch(c, query{})
	if listErr != nil {
		return err
	}
	return workloads.unknown(name, workloads.keys(all))
}
