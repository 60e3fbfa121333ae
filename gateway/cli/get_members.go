package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

var members = kind[*gatewayv1.Member]{
	name:     "member",
	argument: "NAME",
	short:    "Members: health, room, and the age of the last beat",
	fetch: func(c call, _ query) ([]*gatewayv1.Member, string, error) {
		answer, err := c.Members.ListMembers(c.cmd.Context(), &gatewayv1.ListMembersRequest{})
		return answer.GetItems(), frozenNote(answer.GetFrozen()), err
	},
	key:  func(m *gatewayv1.Member) string { return m.GetMetadata().GetName() },
	tree: func(m *gatewayv1.Member) object { return treeOf(m) },
	columns: []column[*gatewayv1.Member]{
		{name: "NAME", cell: func(m *gatewayv1.Member) string { return m.GetMetadata().GetName() }},
		{name: "REGION", cell: func(m *gatewayv1.Member) string { return or(m.GetSpec().GetPlace().GetRegion(), none) }},
		{name: "ZONE", wide: true, cell: func(m *gatewayv1.Member) string { return or(m.GetSpec().GetPlace().GetZone(), none) }},
		{name: "AT", wide: true, cell: func(m *gatewayv1.Member) string { return coordinates(m.GetSpec().GetPlace()) }},
		{name: "HEALTH", cell: memberHealth},
		{name: "VERSION", cell: func(m *gatewayv1.Member) string { return or(m.GetStatus().GetKubernetesVersion(), none) }},
		{name: "NODES", cell: known(func(s *gatewayv1.MemberStatus) string {
			return fmt.Sprintf("%d/%d", s.GetNodesReady(), s.GetNodes())
		})},
		{name: "KIND", wide: true, cell: func(m *gatewayv1.Member) string { return nodeKinds(m.GetStatus(), none) }},
		{name: "CPU-FREE", cell: freeCell("cpu")},
		{name: "MEMORY-FREE", cell: freeCell("memory")},
		{name: "PODS-FREE", wide: true, cell: freeCell("pods")},
		{name: "WORKLOADS", wide: true, cell: func(m *gatewayv1.Member) string { return strconv.Itoa(int(m.GetStatus().GetWorkloads())) }},
		{name: "INCARNATION", wide: true, cell: func(m *gatewayv1.Member) string {
			return strconv.FormatUint(uint64(m.GetStatus().GetIncarnation()), 10)
		}},
		{name: "LAST-BEAT", volatile: true, cell: func(m *gatewayv1.Member) string { return heard(m.GetStatus().GetLastBeatAgeMs()) }},
		{name: "NOTE", cell: memberNote},
	},
}

// nodeKinds names the kind of all nodes, or counts those of each.
func nodeKinds(s *gatewayv1.MemberStatus, unknown string) string {
	var parts []string
	for kind, n := range s.GetNodeKinds() {
		parts = append(parts, fmt.Sprintf("%s=%d", kind, n))
	}
	if len(parts) < 2 {
		return or(s.GetNodeKind(), unknown)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func frozenNote(reason string) string {
	if reason == "" {
		return ""
	}
	return "automation is frozen: " + reason
}

// known shows facts of a member that is heard; a silent one's read Unknown.
func known(cell func(*gatewayv1.MemberStatus) string) func(*gatewayv1.Member) string {
	return func(m *gatewayv1.Member) string {
		if m.GetStatus().GetStale() {
			return "Unknown"
		}
		return cell(m.GetStatus())
	}
}

func freeCell(resource string) func(*gatewayv1.Member) string {
	return known(func(s *gatewayv1.MemberStatus) string { return freeOf(resource, s.GetFree(), s.GetCapacity()) })
}

// memberHealth is "Healthy", or "Healthy,Cordoned". One that leaves is drained, too.
func memberHealth(m *gatewayv1.Member) string {
	words := []string{or(m.GetStatus().GetHealth(), "Unknown")}
	if m.GetSpec().GetLeaving() != "" {
		return words[0] + ",Leaving"
	}
	if m.GetSpec().GetDraining() {
		words = append(words, "Draining")
	}
	if m.GetSpec().GetCordoned() {
		words = append(words, "Cordoned")
	}
	return strings.Join(words, ",")
}

// memberNote says why a member is not healthy.
func memberNote(m *gatewayv1.Member) string {
	status := m.GetStatus()
	switch {
	case status.GetMasked() != "":
		return "masked by drill " + status.GetMasked()
	case status.GetHealth() != "Healthy":
		return status.GetReason()
	}
	return ""
}

func coordinates(p *gatewayv1.Place) string {
	if p.GetLatitude() == 0 && p.GetLongitude() == 0 {
		return none
	}
	return fmt.Sprintf("%.2f,%.2f", p.GetLatitude(), p.GetLongitude())
}
