package cli

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) topCommand() *cobra.Command {
	group := &cobra.Command{Use: "top", Short: "What members, nodes and workloads use of what there is"}
	group.AddCommand(a.topMembers(), a.topNodes(), a.topWorkloads())
	return group
}

// unmeasured is what a column reads when nothing measures it.
const unmeasured = "not measured"

func (a *app) topMembers() *cobra.Command {
	return &cobra.Command{
		Use: "members", Short: "Members: what pods have asked for, of what the nodes have, as members report it", Args: cobra.NoArgs,
		RunE: a.asking(func(c call, _ []string) error {
			answer, err := c.Members.ListMembers(c.cmd.Context(), &gatewayv1.ListMembersRequest{})
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "CPU-REQUESTED", "MEMORY-REQUESTED", "PODS"}}
			for _, m := range answer.GetItems() {
				row := []string{m.GetMetadata().GetName()}
				for _, resource := range []string{"cpu", "memory", "pods"} {
					row = append(row, known(func(s *gatewayv1.MemberStatus) string { return usedOf(resource, s) })(m))
				}
				rows = append(rows, row)
			}
			return newGrid(c.cmd.OutOrStdout()).print(rows...)
		}),
	}
}

// usedOf is "used (share)" of one resource.
func usedOf(resource string, s *gatewayv1.MemberStatus) string {
	all, ok := quantity(s.GetCapacity()[resource])
	free, _ := quantity(s.GetFree()[resource])
	if !ok || all <= 0 {
		return none
	}
	show := cores
	if resource == "memory" {
		show = size
	}
	return fmt.Sprintf("%s (%.0f %%)", show(fmt.Sprintf("%.3f", all-free)), (all-free)/all*100)
}

// usage is what the metrics API says that something uses.
type usage struct {
	Metadata   struct{ Name, Namespace string }
	Usage      map[string]string
	Containers []struct{ Usage map[string]string }
}

// sum adds up a resource over everything.
func sum(all []usage, resource string) (out float64) {
	add := func(text string) {
		v, _ := quantity(text) // what is not measured counts as nothing
		out += v
	}
	for _, u := range all {
		add(u.Usage[resource])
		for _, c := range u.Containers {
			add(c.Usage[resource])
		}
	}
	return out
}

// amounts are the two columns of what is used. What the metrics API does not list it has
// not measured, or not yet.
func amounts(all []usage, err error) []string {
	if err != nil || len(all) == 0 {
		return []string{unmeasured, unmeasured}
	}
	return []string{fmt.Sprintf("%.0fm", sum(all, "cpu")*1000), size(fmt.Sprintf("%.0f", sum(all, "memory")))}
}

// measured asks the metrics API of a member.
func (c call) measured(api *memberAPI, member, path string, q url.Values) ([]usage, error) {
	var list struct{ Items []usage }
	err := api.read(c.cmd.Context(), member, "/apis/metrics.k8s.io/v1beta1/"+path, q, &list)
	return list.Items, err
}

// complaints prints why something was not measured, once for each member.
func (c call) complaints(why map[string]error) {
	for _, member := range slices.Sorted(maps.Keys(why)) {
		reason := why[member].Error()
		if errors.Is(why[member], errNoObject) {
			reason = "the cluster serves no metrics API: install metrics-server there"
		}
		fmt.Fprintf(c.cmd.ErrOrStderr(), "%s: %s: %s\n", member, unmeasured, reason)
	}
}

func (a *app) topNodes() *cobra.Command {
	return &cobra.Command{
		Use: "nodes [MEMBER...]", Short: "Nodes: what they use, where the cluster measures it", ValidArgsFunction: a.completeMembers(),
		RunE: a.asking(func(c call, args []string) error {
			api, chosen, err := c.reached(args)
			if err != nil {
				return err
			}
			rows, why := [][]string{{"MEMBER", "NODE", "CPU", "MEMORY"}}, map[string]error{}
			for _, name := range chosen {
				var nodes struct {
					Items []struct{ Metadata struct{ Name string } }
				}
				if err := api.read(c.cmd.Context(), name, "/api/v1/nodes", nil, &nodes); err != nil {
					why[name] = err
					continue
				}
				used, err := c.measured(api, name, "nodes", nil)
				if err != nil {
					why[name] = err
				}
				for _, n := range nodes.Items {
					one := slices.DeleteFunc(slices.Clone(used), func(u usage) bool { return u.Metadata.Name != n.Metadata.Name })
					rows = append(rows, append([]string{name, n.Metadata.Name}, amounts(one, err)...))
				}
			}
			err = newGrid(c.cmd.OutOrStdout()).print(rows...)
			c.complaints(why)
			return err
		}),
	}
}

// reached are the members to ask: those that were named, or all.
func (c call) reached(names []string) (*memberAPI, []string, error) {
	list, err := c.Members.ListMembers(c.cmd.Context(), &gatewayv1.ListMembersRequest{})
	if err != nil {
		return nil, nil, err
	}
	chosen, err := members.choose(list.GetItems(), query{names: names})
	if err != nil {
		return nil, nil, err
	}
	api, err := c.app.memberAPI(c.cmd.Context())
	return api, members.keys(chosen), err
}

func (a *app) topWorkloads() *cobra.Command {
	return &cobra.Command{
		Use: "workloads [NS/NAME...]", Short: "Workloads: what their pods use in each member, where the cluster measures it", ValidArgsFunction: a.completeWorkloads(),
		RunE: a.asking(func(c call, args []string) error {
			list, err := c.Workloads.ListWorkloads(c.cmd.Context(), &gatewayv1.ListWorkloadsRequest{})
			if err != nil {
				return err
			}
			chosen, err := workloads.choose(list.GetItems(), query{names: args})
			if err != nil {
				return err
			}
			api, err := a.memberAPI(c.cmd.Context())
			if err != nil {
				return err
			}
			rows, why := [][]string{{"WORKLOAD", "MEMBER", "PODS", "CPU", "MEMORY"}}, map[string]error{}
			for _, w := range chosen {
				for _, m := range w.GetStatus().GetMembers() {
					rows = append(rows, c.topShare(api, w, m.GetMember(), why))
				}
			}
			err = newGrid(c.cmd.OutOrStdout()).print(rows...)
			c.complaints(why)
			return err
		}),
	}
}

// topShare is the row of a workload in one member.
func (c call) topShare(api *memberAPI, w *gatewayv1.Workload, member string, why map[string]error) []string {
	row := []string{workloadKey(w), member}
	if why[member] != nil && !errors.Is(why[member], errNoObject) {
		return append(row, unknownState, unmeasured, unmeasured) // it was asked before
	}
	pods, err := podsOf(c.cmd.Context(), api, member, w)
	if err != nil {
		why[member] = err
		return append(row, unknownState, unmeasured, unmeasured)
	}
	used, err := c.measured(api, member, "namespaces/"+w.GetMetadata().GetNamespace()+"/pods", nil)
	if err != nil {
		why[member] = err
	}
	used = slices.DeleteFunc(used, func(u usage) bool {
		return !slices.ContainsFunc(pods, func(p pod) bool { return p.Metadata.Name == u.Metadata.Name })
	})
	return append(append(row, fmt.Sprint(len(pods))), amounts(used, err)...)
}
