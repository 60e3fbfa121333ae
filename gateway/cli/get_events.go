package cli

import (
	"strings"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// defaultEvents is how many events are shown unless --limit says otherwise.
const defaultEvents = 100

// events shows the history. Its query has at most one name: what it is about.
func events(limit *int32) kind[*gatewayv1.Event] {
	return kind[*gatewayv1.Event]{
		name:     "event",
		argument: "NS/NAME|MEMBER|KIND/NAME",
		short:    "What happened, newest last: to all, a workload, a member or an operation",
		fetch: func(c call, q query) ([]*gatewayv1.Event, string, error) {
			request := &gatewayv1.ListEventsRequest{Limit: *limit}
			if len(q.names) > 0 {
				request.About = about(q.names[0])
			}
			answer, err := c.Events.ListEvents(c.cmd.Context(), request)
			return answer.GetItems(), "", err
		},
		key: func(e *gatewayv1.Event) string {
			return e.GetAt().AsTime().String() + e.GetAbout() + e.GetText()
		},
		tree: func(e *gatewayv1.Event) object {
			return append(object{{"apiVersion", apiVersion}, {"kind", "Event"}}, treeOf(e)...)
		},
		columns: []column[*gatewayv1.Event]{
			{name: "AGE", volatile: true, cell: func(e *gatewayv1.Event) string { return since(e.GetAt()) }},
			{name: "TYPE", cell: (*gatewayv1.Event).GetType},
			{name: "ABOUT", cell: func(e *gatewayv1.Event) string { return or(e.GetAbout(), none) }},
			{name: "BY", cell: func(e *gatewayv1.Event) string { return or(e.GetWho(), none) }},
			{name: "WHAT", cell: (*gatewayv1.Event).GetText},
		},
	}
}

func (a *app) eventsCommand() *cobra.Command {
	var limit int32
	k := events(&limit)
	k.anyName = true
	cmd := k.command(a)
	cmd.Use = "events [" + k.argument + "]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.ValidArgsFunction = a.completeWorkloads()
	cmd.Flags().Int32Var(&limit, "limit", defaultEvents, "at most so many, the newest")
	return cmd
}

// about makes a subject of what a user names: "tokyo" is a member, "shop/web" a
// workload; "member/tokyo" and the like stay as they are.
func about(name string) string {
	first, _, found := strings.Cut(name, "/")
	switch {
	case !found:
		return "member/" + name
	case first == "member" || first == "workload" || first == "operation":
		return name
	}
	return "workload/" + name
}
