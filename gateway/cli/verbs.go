package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// verb is an operation that people start on a scope.
type verb struct {
	name, short, long string
	question          string // with the scope for %s
	standing          bool   // it stays in force until it is aborted
	budgeted          bool
	towards           bool // it takes a workload too, and --to
}

var verbs = []verb{
	{
		name: "shift", short: "Take the traffic off a scope; workloads stay", standing: true, question: "Take the traffic off %s?",
		long: `Take a scope's endpoints out of every answer. Its workloads go on running. The
shift stands until "hansa failback SCOPE", or "hansa operation abort ID".`,
	},
	{
		name: "evacuate", short: "Move traffic and workloads off a scope, gracefully", standing: true, question: "Move everything off %s?",
		long: `Move everything off a scope whose members are well: replacements are ready before
anything is taken away, and traffic leaves first. The evacuation stands until "hansa
failback SCOPE", or "hansa operation abort ID".`,
	},
	{
		name: "relocate", short: "Move workloads from where they are well, once", towards: true, question: "Move %s?",
		long: `Move one workload, or all of a scope, to other members: what may run in two places
is ready there before it is taken away, what may not is stopped first. Nothing keeps
workloads from coming back later; "hansa evacuate" does.`,
	},
	{
		name: "fence", short: "Say that a scope runs nothing that must run once", standing: true,
		question: "Take %s for stopped? What must run once will start elsewhere at once, so be sure that it does not run there any more.",
		long: `Vouch that lost members run nothing any more, because they were switched off or cut
from their storage: what must run at most once starts elsewhere without waiting for a
lease. Members that are heard lose their leases, their traffic and then their workloads.
A fenced member does not come back before "hansa unfence SCOPE".`,
	},
	{
		name: "failover", short: "Move workloads off lost members now", question: "Move what runs in %s elsewhere, without waiting any longer?",
		long: `Move the workloads of lost members without waiting for their dwell, for the brake,
or for an approval that failover.mode asks for. Workloads that run at most once still
wait until their leases have run out.`,
	},
	{
		name: "failback", short: "Let workloads use a scope again", budgeted: true, question: "Place workloads in %s again?",
		long: `Place again, with the room of a scope that is well, what would have more replicas
there than now. Shifts and evacuations of the scope end. Workloads that move the fewest
replicas go first; --budget bounds how many move in all.`,
	},
}

func (a *app) verbCommands() []*cobra.Command {
	out := make([]*cobra.Command, 0, len(verbs)+3)
	for _, v := range verbs {
		out = append(out, a.verbCommand(v))
	}
	return append(out, a.unfenceCommand(), a.freezeCommand(), a.unfreezeCommand())
}

type verbFlags struct {
	dryRun bool
	budget int64
	to     string
	reason string
}

func (a *app) verbCommand(v verb) *cobra.Command {
	var f verbFlags
	cmd := &cobra.Command{
		Use:     v.name + " SCOPE",
		Short:   v.short,
		Long:    v.long + "\n\nSCOPE is " + listed(v.scopes()) + ".",
		Example: fmt.Sprintf("  hansa %[1]s region=eu-central --dry-run\n  hansa %[1]s member=frankfurt --reason \"new etcd disks\" --yes", v.name),
		Args:    one("SCOPE, for example region=eu-central,"),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would move and whether it fits")
	flags.StringVar(&f.reason, "reason", "", "why, for the record")
	if v.budgeted {
		budgetFlag(cmd, &f.budget)
	}
	if v.towards {
		flags.StringVar(&f.to, "to", "", "where to: member=NAME, zone=ZONE or region=REGION")
	}
	YesFlag(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) error { return v.check(f, args[0]) }
	cmd.RunE = a.asking(func(c call, args []string) error { return v.run(c, f, args[0], out) })
	return cmd
}

// scopes are the sorts that the verb takes.
func (v verb) scopes() []string {
	if v.towards {
		return []string{"member", "zone", "region", "workload"}
	}
	return []string{"member", "zone", "region"}
}

// listed writes the sorts for people: "member=NAME, zone=ZONE or region=REGION".
func listed(sorts []string) string {
	examples := map[string]string{"member": "NAME", "zone": "ZONE", "region": "REGION", "workload": "NAMESPACE/NAME"}
	var text string
	for i, s := range sorts {
		switch {
		case i > 0 && i == len(sorts)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += s + "=" + examples[s]
	}
	return text
}

func (v verb) check(f verbFlags, scope string) error {
	if err := checkBudget(f.budget); err != nil {
		return err
	}
	if f.to != "" {
		if err := checkScope(f.to, "member", "zone", "region"); err != nil {
			return err
		}
	}
	return checkScope(scope, v.scopes()...)
}

func (v verb) run(c call, f verbFlags, scope string, out *format) error {
	mode := federation.DryRun
	if !f.dryRun {
		mode = federation.Live
		if err := Confirm(c.cmd, fmt.Sprintf(v.question, scope)); err != nil {
			return err
		}
	}
	o, err := c.start(&gatewayv1.StartOperationRequest{
		Verb: v.name, Scope: scope, Mode: string(mode), Reason: f.reason, Budget: f.budget, To: f.to,
	}, v.stopped)
	if err != nil {
		return err
	}
	if err := v.print(c, out, o); err != nil || !ended(o) {
		return err
	}
	return verdict(o)
}

func (v verb) stopped(o *gatewayv1.Operation) bool {
	return ended(o) || v.standing && o.GetState() == string(federation.OperationHeld)
}

func (v verb) print(c call, out *format, o *gatewayv1.Operation) error {
	switch {
	case out.structured():
		return out.print(c.cmd.OutOrStdout(), operationTree(o))
	case o.GetPlan() != nil:
		return printPlan(c, o)
	}
	printReport(c.cmd.OutOrStdout(), o)
	return nil
}

// printPlan says what an operation would do.
func printPlan(c call, o *gatewayv1.Operation) error {
	fmt.Fprintf(c.cmd.OutOrStdout(), "%s of %s would pass its guardrails; nothing was done\n\n", o.GetVerb(), o.GetScope())
	switch moves := o.GetPlan().GetMoves(); {
	case o.GetVerb() == "relocate" && len(moves) > 0:
		return printMoves(c.cmd.OutOrStdout(), moves)
	case o.GetVerb() != "failback":
		return printSimulation(c, o.GetPlan())
	case len(moves) == 0:
		fmt.Fprintln(c.cmd.OutOrStdout(), "nothing would have more there than now")
		return nil
	default:
		return printMoves(c.cmd.OutOrStdout(), moves)
	}
}

func (a *app) unfenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unfence SCOPE",
		Short: "Let a fenced scope come back",
		Long:  "Release what \"hansa fence SCOPE\" fenced. A lost member then comes back the ordinary way: it has to prove that what moved away has stopped.",
		Args:  one("SCOPE, for example member=frankfurt,"),
	}
	YesFlag(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) error { return checkScope(args[0], "member", "zone", "region") }
	cmd.RunE = a.asking(func(c call, args []string) error {
		answer, err := c.Recovery.ListOperations(cmd.Context(), &gatewayv1.ListOperationsRequest{})
		if err != nil {
			return err
		}
		for _, o := range answer.GetItems() {
			if o.GetVerb() != "fence" || o.GetScope() != args[0] || ended(o) {
				continue
			}
			if err := Confirm(cmd, fmt.Sprintf("Let %s come back?", args[0])); err != nil {
				return err
			}
			if _, err := c.Recovery.AbortOperation(cmd.Context(), &gatewayv1.AbortOperationRequest{Id: o.GetId()}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is released\n", args[0])
			return nil
		}
		return fmt.Errorf("%s is not fenced: see \"hansa get operations\"", args[0])
	})
	return cmd
}

func (a *app) freezeCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "freeze --reason TEXT",
		Short: "Stop automatic failover until \"hansa unfreeze\"",
		Long: `Stop automation: losses are still noticed and traffic still leaves lost members, but
no workload moves by itself. "hansa failover SCOPE" still moves them.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for everybody who wonders")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if reason == "" {
			return Usagef("--reason is missing: others will want to know why nothing moves")
		}
		return nil
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Recovery.Freeze(cmd.Context(), &gatewayv1.FreezeRequest{Frozen: true, Reason: reason})
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "automation is frozen by operation %s: \"hansa unfreeze\" ends it\n", answer.GetOperation().GetId())
		}
		return err
	})
	return cmd
}

func (a *app) unfreezeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unfreeze",
		Short: "Let automation act again",
		Args:  cobra.NoArgs,
		RunE: a.asking(func(c call, _ []string) error {
			_, err := c.Recovery.Freeze(c.cmd.Context(), &gatewayv1.FreezeRequest{})
			if err == nil {
				fmt.Fprintln(c.cmd.OutOrStdout(), "automation acts again")
			}
			return err
		}),
	}
}

func (a *app) operationApprove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Let an operation go on that waits for a person, or for the brake",
		Args:  one("ID of an operation"),
	}
	YesFlag(cmd)
	cmd.RunE = a.asking(func(c call, args []string) error {
		o, err := c.operation(args[0])
		if err != nil {
			return err
		}
		if err := Confirm(cmd, fmt.Sprintf("Let %s %s of %s go on?", o.GetVerb(), o.GetId(), o.GetScope())); err != nil {
			return err
		}
		answer, err := c.Recovery.ApproveOperation(cmd.Context(), &gatewayv1.ApproveOperationRequest{Id: args[0]})
		if err != nil {
			return err
		}
		o = answer.GetOperation()
		fmt.Fprintf(cmd.OutOrStdout(), "operation %s is %s: \"hansa operation watch %s\" follows it\n", o.GetId(), o.GetState(), o.GetId())
		return nil
	})
	return cmd
}
