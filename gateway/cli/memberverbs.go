package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// The actions of UpdateMember that have a command.
const (
	cordonAction   = "cordon"
	uncordonAction = "uncordon"
	drainAction    = "drain"
	undrainAction  = "undrain"
	confirmAction  = "confirm"
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
	return a.membersVerb("cordon", "Let a member keep what it has and take nothing new", func(c call, member string) error {
		_, err := c.update(member, cordonAction, "cordoned")
		return err
	})
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
	cmd := a.membersVerb("drain", "Move all workloads off a member", func(c call, member string) error {
		if err := Confirm(c.cmd, fmt.Sprintf("Move all workloads off %s?", member)); err != nil {
			return err
		}
		_, err := c.update(member, drainAction, "is draining: \"hansa get workloads -w\" follows it, \"hansa uncordon "+member+"\" ends it")
		return err
	})
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
	cmd.AddCommand(confirm)
	return cmd
}
