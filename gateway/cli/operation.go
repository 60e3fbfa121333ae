package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) operationCommand() *cobra.Command {
	group := &cobra.Command{Use: "operation", Short: "Look at, follow or end one operation"}
	group.AddCommand(a.operationGet(), a.operationWatch(), a.operationApprove(), a.operationAbort())
	return group
}

// describeOperation and operationGet are the same under two names.
func (a *app) describeOperation() *cobra.Command {
	cmd := a.operationGet()
	cmd.Use, cmd.Aliases = "operation ID", []string{"operations"}
	return cmd
}

func (a *app) operationGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "An operation: its report and its timeline",
		Args:  one("ID of an operation"),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, args []string) error {
		o, err := c.operation(args[0])
		if err != nil {
			return err
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), operationTree(o))
		}
		printReport(cmd.OutOrStdout(), o)
		section(cmd.OutOrStdout(), "Timeline", timelineRows(o)...)
		return nil
	})
	return cmd
}

func timelineRows(o *gatewayv1.Operation) [][]string {
	var rows [][]string
	for _, e := range o.GetTimeline() {
		rows = append(rows, []string{after(o, e.GetAt().AsTime()), e.GetText()})
	}
	return rows
}

func (a *app) operationWatch() *cobra.Command {
	return &cobra.Command{
		Use:   "watch ID",
		Short: "Follow an operation until it has ended",
		Args:  one("ID of an operation"),
		RunE: a.asking(func(c call, args []string) error {
			if _, err := c.operation(args[0]); err != nil {
				return err
			}
			o, err := c.follow(args[0])
			if err != nil {
				return err
			}
			printReport(c.cmd.OutOrStdout(), o)
			return nil
		}),
	}
}

func (a *app) operationAbort() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "abort ID",
		Short: "End an operation and take back what it did",
		Args:  one("ID of an operation"),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	cmd.RunE = a.asking(func(c call, args []string) error {
		answer, err := c.Recovery.AbortOperation(cmd.Context(), &gatewayv1.AbortOperationRequest{Id: args[0], Reason: reason})
		if err != nil {
			return c.suggestOperation(args[0], err)
		}
		o := answer.GetOperation()
		fmt.Fprintf(cmd.OutOrStdout(), "operation %s is %s: \"hansa operation watch %s\" follows it\n", o.GetId(), o.GetState(), o.GetId())
		return nil
	})
	return cmd
}

func (c call) operation(id string) (*gatewayv1.Operation, error) {
	answer, err := c.Recovery.GetOperation(c.cmd.Context(), &gatewayv1.GetOperationRequest{Id: id})
	if err != nil {
		return nil, c.suggestOperation(id, err)
	}
	return answer.GetOperation(), nil
}

func (c call) suggestOperation(id string, err error) error {
	if !notFound(err) {
		return err
	}
	all, _, listErr := operations.fetch(c, query{})
	if listErr != nil {
		return err
	}
	return operations.unknown(id, operations.keys(all))
}

// follow shows an operation's timeline until it has ended, and returns it.
func (c call) follow(id string) (*gatewayv1.Operation, error) { return c.followUntil(id, ended) }

// followUntil shows an operation's timeline until it has come so far, and returns it.
// A gateway that goes away for a while is asked again.
func (c call) followUntil(id string, done func(*gatewayv1.Operation) bool) (*gatewayv1.Operation, error) {
	f := follower{progress: newProgress(c.cmd.ErrOrStderr()), enough: done}
	defer f.progress.done()
	var last *gatewayv1.Operation
	err := c.resuming(f.progress, func(heard func()) error {
		var err error
		if last, err = f.stream(c.cmd.Context(), c, id, heard); last != nil && done(last) {
			return nil
		}
		return err
	})
	switch {
	case last != nil && done(last):
		return last, nil
	case c.cmd.Context().Err() != nil:
		return nil, fmt.Errorf("interrupted, operation %s goes on: \"hansa operation watch %s\" follows it, \"hansa operation abort %s\" ends it", id, id, id)
	}
	return nil, fmt.Errorf("follow operation %s: %w", id, err)
}

func ended(o *gatewayv1.Operation) bool {
	return federation.OperationState(o.GetState()).Ended()
}

// follower prints each line of a timeline once.
type follower struct {
	progress *progress
	printed  int
	enough   func(*gatewayv1.Operation) bool
}

// stream follows until the operation has ended or the stream breaks, and returns
// the operation as it was last seen.
func (f *follower) stream(ctx context.Context, c call, id string, heard func()) (*gatewayv1.Operation, error) {
	stream, err := c.Recovery.WatchOperation(ctx, &gatewayv1.WatchOperationRequest{Id: id})
	if err != nil {
		return nil, err
	}
	var last *gatewayv1.Operation
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = errWatchEnded
		}
		if err != nil {
			return last, err
		}
		heard()
		last = answer.GetOperation()
		f.see(last)
		if f.enough(last) {
			return last, nil
		}
	}
}

func (f *follower) see(o *gatewayv1.Operation) {
	timeline := o.GetTimeline()
	for _, e := range timeline[min(f.printed, len(timeline)):] {
		f.progress.log(fmt.Sprintf("%7s  %s", after(o, e.GetAt().AsTime()), e.GetText()))
	}
	f.printed = len(timeline)
	if f.progress.live {
		f.progress.show("%s %s: %s", o.GetVerb(), o.GetScope(), o.GetState())
	}
}

// after is how long after the start of an operation something happened: "+1.3s".
func after(o *gatewayv1.Operation, at time.Time) string {
	begin := o.GetCreatedAt()
	if t0 := o.GetMarks()[string(federation.T0Fault)]; t0 != nil {
		begin = t0
	}
	d := at.Sub(begin.AsTime())
	return fmt.Sprintf("%+.1fs", d.Seconds())
}
