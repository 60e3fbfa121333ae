package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// levels are the drills that exist; L0 to L2 need no command, L6 is a real fault.
var levels = []string{"L3", "L4", "L5a", "L5b"}

func (a *app) drillCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "drill",
		Short: "Rehearse a failover, and measure it",
		Example: `  hansa drill run region=eu-central --level L5b --yes
  hansa drill list
  hansa drill report 7f3a -o junit > drill.xml`,
	}
	group.AddCommand(a.drillRun(), a.drillList(), a.drillReport())
	return group
}

type drillFlags struct {
	level  string
	hold   time.Duration
	reason string
}

func (a *app) drillRun() *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use:   "run SCOPE --level LEVEL",
		Short: "Run a drill to its end; exit code 0 only when it passes",
		Long: `Run a drill to its end and print the report; exit code 0 only when it passes.
SCOPE is member=NAME, zone=ZONE or region=REGION. The drill is refused when a
real loss could not be survived, it ends at once when a real fault happens, and
it restores what was before.

  L3   shift traffic away and back
  L4   evacuate the workloads and bring them back
  L5a  take the scope for lost, and only record what would be done
  L5b  take the scope for lost, and do it; the clusters are not touched`,
		Example: "  hansa drill run region=eu-central --level L5b --hold 30s --yes",
		Args:    one("SCOPE, for example region=eu-central,"),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML, formatJUnit)
	flags := cmd.Flags()
	flags.StringVar(&f.level, "level", "", "how far it goes: "+strings.Join(levels, ", "))
	flags.DurationVar(&f.hold, "hold", 0, "how long the fault stays after capacity is back")
	flags.StringVar(&f.reason, "reason", "", "why, for the record")
	YesFlag(cmd)
	cmd.PreRunE = func(_ *cobra.Command, args []string) error { return f.check(args[0]) }
	cmd.RunE = a.asking(func(c call, args []string) error {
		question := fmt.Sprintf("Take %s for lost, at level %s?", args[0], f.level)
		if err := Confirm(cmd, question); err != nil {
			return err
		}
		o, err := c.start(&gatewayv1.StartOperationRequest{
			Verb: "drill", Scope: args[0], Mode: string(federation.Drill), Level: f.level, Hold: durationpb.New(f.hold), Reason: f.reason,
		}, ended)
		if err != nil {
			return err
		}
		if err := printDrill(cmd, out, o); err != nil {
			return err
		}
		return verdict(o)
	})
	return cmd
}

func (f drillFlags) check(scope string) error {
	if err := checkScope(scope, "member", "zone", "region"); err != nil {
		return err
	}
	switch {
	case f.level == "":
		return Usagef("--level is missing: one of %s", strings.Join(levels, ", "))
	case !slices.Contains(levels, f.level):
		return Usagef("--level %q: want one of %s", f.level, strings.Join(levels, ", "))
	case f.hold < 0:
		return Usagef("--hold %s: want no less than 0", f.hold)
	}
	return nil
}

// start starts an operation and follows it until it has come so far.
func (c call) start(request *gatewayv1.StartOperationRequest, done func(*gatewayv1.Operation) bool) (*gatewayv1.Operation, error) {
	answer, err := c.Recovery.StartOperation(c.cmd.Context(), request)
	if err != nil {
		return nil, err
	}
	o := answer.GetOperation()
	if done(o) {
		return o, nil
	}
	fmt.Fprintf(c.cmd.ErrOrStderr(), "%s %s of %s\n", request.GetVerb(), o.GetId(), request.GetScope())
	return c.followUntil(o.GetId(), done)
}

// verdict is an error unless the operation has passed.
func verdict(o *gatewayv1.Operation) error {
	switch {
	case o.GetVerdict() == string(federation.Pass):
		return nil
	case o.GetState() == string(federation.OperationRefused):
		return fmt.Errorf("%s %s was refused: %s", o.GetVerb(), o.GetId(), or(o.GetReason(), "no reason was given"))
	}
	return fmt.Errorf("%s %s: %s: %s", o.GetVerb(), o.GetId(), or(o.GetVerdict(), o.GetState()), or(o.GetReason(), "see \"hansa operation get "+o.GetId()+"\""))
}

func printDrill(cmd *cobra.Command, out *format, o *gatewayv1.Operation) error {
	switch out.value {
	case formatJUnit:
		return printJUnit(cmd.OutOrStdout(), o)
	case formatText:
		printReport(cmd.OutOrStdout(), o)
		return nil
	}
	return out.print(cmd.OutOrStdout(), reportTree(o))
}

func (a *app) drillReport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report ID",
		Short: "The report of a drill: its marks, and what was achieved",
		Args:  one("ID of a drill"),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML, formatJUnit)
	cmd.RunE = a.asking(func(c call, args []string) error {
		o, err := c.operation(args[0])
		if err != nil {
			return err
		}
		return printDrill(cmd, out, o)
	})
	return cmd
}

// drillList is "get operations" of the drills alone.
func (a *app) drillList() *cobra.Command {
	drills := operations
	drills.name = "drill"
	drills.fetch = func(c call, q query) ([]*gatewayv1.Operation, string, error) {
		all, note, err := operations.fetch(c, q)
		return slices.DeleteFunc(all, func(o *gatewayv1.Operation) bool { return o.GetMode() != string(federation.Drill) }), note, err
	}
	cmd := drills.command(a)
	cmd.Use, cmd.Aliases, cmd.Short = "list", nil, "Drills, newest first"
	cmd.Args = cobra.NoArgs
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}
