package cli

import (
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

var operations = kind[*gatewayv1.Operation]{
	name:     "operation",
	argument: "ID",
	short:    "Operations, newest first: drills and the real thing",
	fetch: func(c call, _ query) ([]*gatewayv1.Operation, string, error) {
		answer, err := c.Recovery.ListOperations(c.cmd.Context(), &gatewayv1.ListOperationsRequest{})
		return answer.GetItems(), "", err
	},
	key:  (*gatewayv1.Operation).GetId,
	tree: operationTree,
	columns: []column[*gatewayv1.Operation]{
		{name: "ID", cell: (*gatewayv1.Operation).GetId},
		{name: "VERB", cell: (*gatewayv1.Operation).GetVerb},
		{name: "SCOPE", cell: (*gatewayv1.Operation).GetScope},
		{name: "MODE", cell: (*gatewayv1.Operation).GetMode},
		{name: "LEVEL", cell: func(o *gatewayv1.Operation) string { return or(o.GetLevel(), none) }},
		{name: "STATE", cell: (*gatewayv1.Operation).GetState},
		{name: "VERDICT", cell: func(o *gatewayv1.Operation) string { return or(o.GetVerdict(), none) }},
		{name: "RTO", cell: operationRTO},
		{name: "BY", wide: true, cell: func(o *gatewayv1.Operation) string { return or(o.GetInitiator(), none) }},
		{name: "AGE", volatile: true, cell: func(o *gatewayv1.Operation) string { return since(o.GetCreatedAt()) }},
		{name: "NOTE", cell: (*gatewayv1.Operation).GetReason},
	},
}

func operationRTO(o *gatewayv1.Operation) string {
	if o.GetAchieved() == nil {
		return none
	}
	return measured(o.GetAchieved().GetRtoMs())
}

// operationTree gives an operation the shape of a Kubernetes object: what was
// asked for in spec, what became of it in status.
func operationTree(o *gatewayv1.Operation) object {
	all := treeOf(o)
	metadata := object{{"name", o.GetId()}}
	if created := all.get("createdAt"); created != nil {
		metadata = append(metadata, field{"creationTimestamp", created})
	}
	return object{
		{"apiVersion", apiVersion},
		{"kind", "Operation"},
		{"metadata", metadata},
		{"spec", all.pick("verb", "scope", "mode", "level", "initiator")},
		{"status", all.pick("state", "verdict", "reason", "members", "marks", "achieved", "objective",
			"workloads", "timeline", "plan", "hash", "previousHash")},
	}
}

// reportTree is the report of a drill, flat.
func reportTree(o *gatewayv1.Operation) object {
	return treeOf(o).pick("id", "verb", "scope", "mode", "level", "state", "verdict", "reason", "members",
		"marks", "achieved", "objective", "workloads", "timeline", "initiator", "createdAt")
}
