package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

type applyFlags struct {
	files   []string
	source  string
	dryRun  bool
	prune   bool
	wait    bool
	timeout time.Duration
}

func (a *app) applyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|-",
		Short: "Write workloads: Placements and the Kubernetes objects they select",
		Long: `Write workloads: Placements and the Kubernetes objects they select, and
StatusRules. All files are checked first; when one is wrong nothing is written.
Applying again changes what differs.`,
		Example: `  hansa apply -f configs/samples/shop --wait
  hansa apply -f shop/ --prune
  cat web.yaml | hansa apply -f - --dry-run`,
		Args: cobra.NoArgs,
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "file", "f", nil, "file, folder, or - for standard input; may be repeated")
	flags.StringVar(&f.source, "source", "", "name of the source, for --prune (default: the absolute path)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check, and say what would be done")
	flags.BoolVar(&f.prune, "prune", false, "remove what the same source applied before and no longer has")
	flags.BoolVar(&f.wait, "wait", false, "end when every workload is ready")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "give up waiting after this time")
	YesFlag(cmd)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if len(f.files) == 0 {
			return Usagef("nothing to apply: give -f FILE, -f FOLDER or -f -")
		}
		return nil
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.apply(f)
		if err != nil {
			return err
		}
		if out.structured() {
			err = out.print(cmd.OutOrStdout(), treeOf(answer))
		} else {
			c.printResults(answer.GetResults(), f.dryRun)
		}
		if err != nil || !f.wait || f.dryRun {
			return err
		}
		return c.awaitReady(answer.GetResults(), f.timeout)
	})
	return cmd
}

func (c call) apply(f applyFlags) (*gatewayv1.ApplyResponse, error) {
	files, err := inputs(f.files, c.cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	if f.source == "" {
		if f.source, err = sourceOf(f.files); err != nil {
			return nil, err
		}
	}
	request := &gatewayv1.ApplyRequest{Files: files, Source: f.source, DryRun: f.dryRun, Prune: f.prune}
	if f.prune && !f.dryRun {
		if err := c.confirmPrune(request); err != nil {
			return nil, err
		}
	}
	request.Confirmed = yes(c.cmd)
	answer, err := c.Workloads.Apply(c.cmd.Context(), request)
	if status.Code(err) != codes.FailedPrecondition || request.GetConfirmed() || !Interactive(c.cmd.InOrStdin()) {
		return answer, err
	}
	if err := Confirm(c.cmd, status.Convert(err).Message()+". Do it?"); err != nil {
		return nil, err
	}
	request.Confirmed = true
	return c.Workloads.Apply(c.cmd.Context(), request)
}

// confirmPrune asks when the apply would remove something.
func (c call) confirmPrune(request *gatewayv1.ApplyRequest) error {
	trial := &gatewayv1.ApplyRequest{Files: request.GetFiles(), Source: request.GetSource(), Prune: true, DryRun: true}
	answer, err := c.Workloads.Apply(c.cmd.Context(), trial)
	if err != nil {
		return err
	}
	var gone []string
	for _, r := range answer.GetResults() {
		if r.GetAction() == "pruned" {
			gone = append(gone, resultName(r))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return Confirm(c.cmd, fmt.Sprintf("Remove %s from every member?", strings.Join(gone, ", ")))
}

// printResults writes a line for each result: "workload shop/web created, 3 objects".
func (c call) printResults(results []*gatewayv1.ApplyResult, dryRun bool) {
	suffix := ""
	if dryRun {
		suffix = " (dry run)"
	}
	for _, r := range results {
		objects := ""
		if r.GetObjects() > 0 {
			objects = ", " + plural(int(r.GetObjects()), "object")
		}
		fmt.Fprintf(c.cmd.OutOrStdout(), "%s %s %s%s%s\n", strings.ToLower(r.GetKind()), resultName(r), r.GetAction(), objects, suffix)
	}
}

func resultName(r *gatewayv1.ApplyResult) string {
	if r.GetNamespace() == "" {
		return r.GetName()
	}
	return r.GetNamespace() + "/" + r.GetName()
}

// deadline bounds a wait; zero is no bound.
func deadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
