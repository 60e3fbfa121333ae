package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

var statusRules = kind[*gatewayv1.StatusRule]{
	name:     "statusrule",
	title:    "StatusRule",
	argument: "NAME",
	short:    "Rules by which members tell the state of objects",
	fetch: func(c call, _ query) ([]*gatewayv1.StatusRule, string, error) {
		answer, err := c.Workloads.ListStatusRules(c.cmd.Context(), &gatewayv1.ListStatusRulesRequest{})
		return answer.GetItems(), "", err
	},
	key:  func(r *gatewayv1.StatusRule) string { return r.GetMetadata().GetName() },
	tree: statusRuleTree,
	columns: []column[*gatewayv1.StatusRule]{
		{name: "NAME", cell: func(r *gatewayv1.StatusRule) string { return r.GetMetadata().GetName() }},
		{name: "KIND", cell: func(r *gatewayv1.StatusRule) string { return r.GetSpec().GetTarget().GetKind() }},
		{name: "GROUP", cell: func(r *gatewayv1.StatusRule) string { return or(r.GetSpec().GetTarget().GetGroup(), none) }},
		{name: "WORKLOADS", cell: func(r *gatewayv1.StatusRule) string { return strconv.Itoa(int(r.GetStatus().GetWorkloads())) }},
		{name: "AGE", volatile: true, cell: func(r *gatewayv1.StatusRule) string { return since(r.GetMetadata().GetCreationTimestamp()) }},
		{name: "READY", wide: true, cell: func(r *gatewayv1.StatusRule) string { return or(r.GetSpec().GetReady(), none) }},
	},
}

// statusRuleTree leaves out the expressions that are not given.
func statusRuleTree(r *gatewayv1.StatusRule) object {
	out := treeOf(r)
	for i, f := range out {
		spec, ok := f.value.(object)
		if f.name != "spec" || !ok {
			continue
		}
		var given object
		for _, field := range spec {
			if field.value != "" {
				given = append(given, field)
			}
		}
		out[i].value = given
	}
	return out
}

func (a *app) completeStatusRules() cobra.CompletionFunc {
	return completeNames(a, func(c call) ([]string, error) {
		all, _, err := statusRules.fetch(c, query{})
		return statusRules.keys(all), err
	})
}

func (a *app) describeStatusRule() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "statusrule NAME",
		Aliases:           []string{"statusrules"},
		Short:             "A status rule, and what members tell by it",
		Args:              one("NAME of a status rule"),
		ValidArgsFunction: a.completeStatusRules(),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, args []string) error {
		answer, err := c.Workloads.ListStatusRules(cmd.Context(), &gatewayv1.ListStatusRulesRequest{Name: args[0]})
		if err != nil {
			return c.suggestStatusRule(args[0], err)
		}
		for _, rule := range answer.GetItems() {
			if out.structured() {
				return out.print(cmd.OutOrStdout(), statusRuleTree(rule))
			}
			section(cmd.OutOrStdout(), "", statusRuleFacts(rule)...)
			section(cmd.OutOrStdout(), "Objects", ruledRows(rule)...)
		}
		return nil
	})
	return cmd
}

func statusRuleFacts(r *gatewayv1.StatusRule) [][]string {
	s := r.GetSpec()
	rows := [][]string{
		{"StatusRule", r.GetMetadata().GetName()},
		{"Kind", fmt.Sprintf("%s of group %s", s.GetTarget().GetKind(), or(s.GetTarget().GetGroup(), "\"\""))},
	}
	for _, e := range [][]string{
		{"Ready", s.GetReady()},
		{"Progressing", s.GetProgressing()},
		{"Failed", s.GetFailed()},
		{"Replicas", s.GetReplicas()},
		{"Ready replicas", s.GetReadyReplicas()},
		{"Message", s.GetMessage()},
	} {
		if e[1] != "" {
			rows = append(rows, e)
		}
	}
	return append(rows, []string{"Workloads", strconv.Itoa(int(r.GetStatus().GetWorkloads()))}, []string{"Source", or(s.GetSource(), none)})
}

func ruledRows(r *gatewayv1.StatusRule) [][]string {
	var rows [][]string
	for _, o := range r.GetStatus().GetObjects() {
		rows = append(rows, []string{o.GetId(), o.GetMember(), o.GetState(), o.GetMessage()})
	}
	return rows
}

// suggestStatusRule adds the nearest name to "not found".
func (c call) suggestStatusRule(name string, err error) error {
	if !notFound(err) {
		return err
	}
	all, _, listErr := statusRules.fetch(c, query{})
	if listErr != nil {
		return err
	}
	return statusRules.unknown(name, statusRules.keys(all))
}

func (a *app) deleteStatusRule() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:               "statusrule NAME",
		Short:             "Remove a status rule: members tell the state of its kind by Kubernetes' conventions then",
		Args:              one("NAME of a status rule"),
		ValidArgsFunction: a.completeStatusRules(),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be removed")
	cmd.RunE = a.asking(func(c call, args []string) error {
		answer, err := c.Workloads.Delete(cmd.Context(), &gatewayv1.DeleteRequest{Kind: "StatusRule", Name: args[0], DryRun: dryRun})
		if err != nil {
			return c.suggestStatusRule(args[0], err)
		}
		c.printResults(answer.GetResults(), dryRun)
		return nil
	})
	return cmd
}
