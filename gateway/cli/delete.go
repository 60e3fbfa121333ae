package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) deleteCommand() *cobra.Command {
	var files []string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete NS/NAME... | -f FILE|FOLDER|-",
		Short: "Remove workloads, and their objects from every member",
		Example: `  hansa delete shop/web --yes
  hansa delete -f configs/samples/shop --dry-run
  hansa delete statusrule databases`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeWorkloads(),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder, or - for standard input: the workloads in it; may be repeated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be removed")
	YesFlag(cmd)
	cmd.AddCommand(a.deleteStatusRule())
	cmd.PreRunE = func(_ *cobra.Command, args []string) error { return checkDeletion(args, files) }
	cmd.RunE = a.asking(func(c call, args []string) error {
		requests, err := deletions(c, args, files)
		if err != nil {
			return err
		}
		what := strings.Join(append(args, files...), ", ")
		if !dryRun {
			if err := Confirm(cmd, fmt.Sprintf("Remove %s from every member?", what)); err != nil {
				return err
			}
		}
		var results []*gatewayv1.ApplyResult
		for _, r := range requests {
			r.DryRun, r.Confirmed = dryRun, true
			answer, err := c.Workloads.Delete(cmd.Context(), r)
			if err != nil {
				return c.suggestWorkload(r.GetNamespace()+"/"+r.GetName(), err)
			}
			results = append(results, answer.GetResults()...)
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(&gatewayv1.DeleteResponse{Results: results}))
		}
		c.printResults(results, dryRun)
		return nil
	})
	return cmd
}

// checkDeletion wants either names or files.
func checkDeletion(names, files []string) error {
	switch {
	case len(names) > 0 && len(files) > 0:
		return Usagef("give either NS/NAME or -f, not both")
	case len(names)+len(files) == 0:
		return Usagef("nothing to delete: give NS/NAME or -f FILE")
	}
	for _, name := range names {
		if _, err := key(name); err != nil {
			return err
		}
	}
	return nil
}

// deletions makes one request for each name, or one for all files.
func deletions(c call, names, files []string) ([]*gatewayv1.DeleteRequest, error) {
	if len(files) > 0 {
		content, err := inputs(files, c.cmd.InOrStdin())
		return []*gatewayv1.DeleteRequest{{Files: content}}, err
	}
	var out []*gatewayv1.DeleteRequest
	for _, name := range names {
		k, err := key(name)
		if err != nil {
			return nil, err
		}
		out = append(out, &gatewayv1.DeleteRequest{Namespace: k.Namespace, Name: k.Name})
	}
	return out, nil
}
