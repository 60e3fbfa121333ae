package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// The actions of UpdateMember that have a command.
const (
	cordonAction   = "cordon"
	uncordonAction = "uncordon"
	drainAction    = "drain"
	undrainAction  = "undrain"
	confirmAction  = "confirm"
	rotateAction   = "rotate"
	leaveAction    = "leave"
)

// membersVerb is a command that does one thing to each member it is given.
func (a *app) membersVerb(use, short string, act func(c call, member string) error) *cobra.Command {
	return &cobra.Command{
		Use:               use + " MEMBER...",
		Short:             short,
		Args:              named("MEMBER"),
		ValidArgsFunction: a.completeMembers(),
		RunE: a.asking(func(c call, args []string) error {
			for _, member := range args {
				if err := act(c, member); err != nil {
					return c.suggestMember(member, err)
				}
			}
			return nil
		}),
	}
}

// update carries out one action and says so.
func (c call) update(member, action, done string) (*gatewayv1.Member, error) {
	answer, err := c.Members.UpdateMember(c.cmd.Context(), &gatewayv1.UpdateMemberRequest{Name: member, Action: action})
	if err != nil {
		return nil, err
	}
	if done != "" {
		fmt.Fprintf(c.cmd.OutOrStdout(), "member %s %s\n", member, done)
	}
	return answer.GetMember(), nil
}

func (a *app) cordonCommand() *cobra.Command {
	var dryRun bool
	cmd := a.membersVerb("cordon", "Let a member keep what it has and take nothing new", func(c call, member string) error {
		if dryRun {
			return c.planCordon(member)
		}
		_, err := c.update(member, cordonAction, "cordoned")
		return err
	})
	dryRunFlag(cmd, &dryRun)
	return cmd
}

func dryRunFlag(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "say what would move and whether it fits")
}

// planCordon says what a cordon would do: it moves nothing, so the question is what
// takes what is new.
func (c call) planCordon(member string) error {
	answer, err := c.Members.GetMember(c.cmd.Context(), &gatewayv1.GetMemberRequest{Name: member})
	if err != nil {
		return err
	}
	s := answer.GetMember().GetStatus()
	fmt.Fprintf(c.cmd.OutOrStdout(), "%s would keep its %d workloads and take nothing new: %s of its CPU and %s of its memory would not be used\n",
		member, s.GetWorkloads(), or(s.GetFree()["cpu"], "0"), or(s.GetFree()["memory"], "0"))
	return nil
}

// planDrain says what a drain would move: the same as an evacuation.
func (c call) planDrain(member string) error {
	answer, err := c.Recovery.StartOperation(c.cmd.Context(), &gatewayv1.StartOperationRequest{
		Verb: "evacuate", Scope: "member=" + member, Mode: string(federation.DryRun),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.cmd.OutOrStdout(), "drain of %s; nothing was done\n\n", member)
	return printSimulation(c, answer.GetOperation().GetPlan())
}

// awaitDrained shows how much is left in the member until it is empty.
func (c call) awaitDrained(member string) error {
	show := newProgress(c.cmd.ErrOrStderr())
	defer show.done()
	for {
		answer, err := c.Members.GetMember(c.cmd.Context(), &gatewayv1.GetMemberRequest{Name: member})
		switch left := answer.GetMember().GetStatus().GetWorkloads(); {
		case c.cmd.Context().Err() != nil:
			return fmt.Errorf("interrupted, %s goes on being drained: \"hansa uncordon %s\" ends it", member, member)
		case err != nil && status.Code(err) != codes.Unavailable:
			return err
		case err == nil && left == 0:
			fmt.Fprintf(c.cmd.OutOrStdout(), "member %s is empty: \"hansa uncordon %s\" lets it take workloads again\n", member, member)
			return nil
		case err == nil:
			show.show("%d workloads left in %s", left, member)
		}
		pause(c.cmd.Context(), time.Second)
	}
}

// uncordonCommand also ends a drain, as kubectl's does.
func (a *app) uncordonCommand() *cobra.Command {
	return a.membersVerb("uncordon", "Let a cordoned or drained member take workloads again", func(c call, member string) error {
		m, err := c.update(member, uncordonAction, "")
		if err == nil && m.GetSpec().GetDraining() {
			_, err = c.update(member, undrainAction, "")
		}
		if err == nil {
			fmt.Fprintf(c.cmd.OutOrStdout(), "member %s uncordoned\n", member)
		}
		return err
	})
}

func (a *app) drainCommand() *cobra.Command {
	var dryRun, wait bool
	cmd := a.membersVerb("drain", "Move all workloads off a member", func(c call, member string) error {
		if dryRun {
			return c.planDrain(member)
		}
		if err := Confirm(c.cmd, fmt.Sprintf("Move all workloads off %s?", member)); err != nil {
			return err
		}
		_, err := c.update(member, drainAction, "is draining: \"hansa get workloads -w\" follows it, \"hansa uncordon "+member+"\" ends it")
		if err != nil || !wait {
			return err
		}
		return c.awaitDrained(member)
	})
	dryRunFlag(cmd, &dryRun)
	cmd.Flags().BoolVar(&wait, "wait", false, "go on until the member is empty")
	YesFlag(cmd)
	return cmd
}

// memberCommand is the group to which the composition root adds what it can do to
// members of this machine.
func (a *app) memberCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "member", Short: "Act on one member"}
	confirm := a.membersVerb("confirm", "Let a quarantined member remove more than its budget permits", func(c call, member string) error {
		question := fmt.Sprintf("Let %s remove everything that it lost to others while it was away?", member)
		if err := Confirm(c.cmd, question); err != nil {
			return err
		}
		_, err := c.update(member, confirmAction, "confirmed")
		return err
	})
	YesFlag(confirm)
	rotate := a.membersVerb("rotate", "Have a member's agent replace its bus credentials now; the old ones end within a minute", func(c call, member string) error {
		_, err := c.update(member, rotateAction, "is told to replace its credentials: \"hansa describe member "+member+"\" says when it has")
		return err
	})
	cmd.AddCommand(confirm, rotate)
	return cmd
}
