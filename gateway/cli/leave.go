package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// leaving are the flags of "hansa leave".
type leaving struct {
	retain, delete, forget, cancel bool // exactly one
	force, dryRun, wait            bool
}

// how is the argument of the request, and what the command asks before.
func (l leaving) how(member string) (argument, question string, err error) {
	var chosen []string
	for _, way := range []struct {
		name string
		set  bool
	}{{"retain", l.retain}, {"delete", l.delete}, {"forget", l.forget}, {"cancel", l.cancel}} {
		if way.set {
			chosen = append(chosen, way.name)
		}
	}
	if len(chosen) != 1 {
		return "", "", Usagef("leave: give one of --retain (what Hansa made in the cluster stays), --delete (it goes), --forget (the agent takes no part) and --cancel (it stays after all)")
	}
	argument = chosen[0]
	switch argument {
	case "retain":
		question = fmt.Sprintf("Move all workloads off %s and let it leave? What Hansa made in its cluster stays there.", member)
	case "delete":
		question = fmt.Sprintf("Move all workloads off %s, delete everything that Hansa made in its cluster, and let it leave?", member)
	case "forget":
		question = fmt.Sprintf("Remove %s without its agent, which is cut off for ever? Its cluster stays as it is.", member)
	}
	switch {
	case l.force && !l.retain && !l.delete:
		return "", "", Usagef("leave: --force is for --retain and --delete")
	case l.cancel && (l.wait || l.dryRun):
		return "", "", Usagef("leave: --cancel goes without --wait and --dry-run")
	case l.force:
		argument, question = argument+" force", question+" What finds no place elsewhere is given up."
	}
	return argument, question, nil
}

func (a *app) leaveCommand() *cobra.Command {
	var l leaving
	cmd := a.membersVerb("leave", "Let members leave the federation; what they run goes elsewhere", func(c call, member string) error {
		return c.leave(member, l)
	})
	flags := cmd.Flags()
	flags.BoolVar(&l.retain, "retain", false, "what Hansa made in the cluster stays, without Hansa's marks")
	flags.BoolVar(&l.delete, "delete", false, "exactly what Hansa made in the cluster goes")
	flags.BoolVar(&l.forget, "forget", false, "remove a member that is empty, or lost, without its agent; its cluster stays as it is")
	flags.BoolVar(&l.cancel, "cancel", false, "have a member stay that was to leave, as long as its agent has not been told")
	flags.BoolVar(&l.force, "force", false, "also give up what finds no place elsewhere")
	flags.BoolVar(&l.wait, "wait", false, "go on until it has left")
	dryRunFlag(cmd, &l.dryRun)
	YesFlag(cmd)
	return cmd
}

func (c call) leave(member string, l leaving) error {
	argument, question, err := l.how(member)
	if err != nil {
		return err
	}
	if l.dryRun {
		return c.planLeave(member)
	}
	if !l.cancel {
		if err := Confirm(c.cmd, question); err != nil {
			return err
		}
	}
	answer, err := c.Members.UpdateMember(c.cmd.Context(), &gatewayv1.UpdateMemberRequest{Name: member, Action: leaveAction, Argument: argument})
	switch out := c.cmd.OutOrStdout(); {
	case err != nil:
		return err
	case l.forget:
		fmt.Fprintf(out, "member %s left\n", member)
		return nil
	case l.cancel:
		fmt.Fprintf(out, "member %s stays\n", member)
		return nil
	case lostHealth(answer.GetMember()):
		fmt.Fprintf(out, "member %s is leaving; it is %s, and its agent does the rest when it is back\n", member, answer.GetMember().GetStatus().GetHealth())
	default:
		fmt.Fprintf(out, "member %s is leaving: \"hansa describe member %s\" says how far it is\n", member, member)
	}
	if !l.wait {
		return nil
	}
	return c.awaitLeft(member)
}

// planLeave says what a departure would move, and what would find no place.
func (c call) planLeave(member string) error {
	answer, err := c.Workloads.Simulate(c.cmd.Context(), &gatewayv1.SimulateRequest{Lose: []string{"member=" + member}})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.cmd.OutOrStdout(), "departure of %s; nothing was done\n\n", member)
	return printSimulation(c, answer)
}

func lostHealth(m *gatewayv1.Member) bool {
	h := m.GetStatus().GetHealth()
	return h == "Unreachable" || h == "Fenced"
}

// awaitLeft shows what a departure waits for until the member has left.
func (c call) awaitLeft(member string) error {
	show := newProgress(c.cmd.ErrOrStderr())
	defer show.done()
	for {
		answer, err := c.Members.GetMember(c.cmd.Context(), &gatewayv1.GetMemberRequest{Name: member})
		switch {
		case c.cmd.Context().Err() != nil:
			return fmt.Errorf("interrupted, %s goes on leaving", member)
		case status.Code(err) == codes.NotFound:
			fmt.Fprintf(c.cmd.OutOrStdout(), "member %s left\n", member)
			return nil
		case err != nil && status.Code(err) != codes.Unavailable:
			return err
		case err == nil:
			show.show("%s", waitsFor(answer.GetEvidence()))
		}
		pause(c.cmd.Context(), time.Second)
	}
}

// waitsFor is what the hub says about a departure.
func waitsFor(evidence []*gatewayv1.Evidence) string {
	for _, e := range evidence {
		if e.GetWhat() == leaveAction {
			return e.GetDetail()
		}
	}
	return ""
}
