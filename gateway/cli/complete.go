package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a shell waits for names; it gets none after that.
const completionTimeout = time.Second

// completeNames completes arguments by names that the gateway knows. A gateway
// that does not answer completes nothing and says nothing.
func completeNames(a *app, names func(call) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, err := a.dial()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		cmd.SetContext(ctx)
		all, err := names(call{Client: client, cmd: cmd, app: a})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all = slices.DeleteFunc(all, func(name string) bool { return slices.Contains(args, name) })
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeMembers and completeWorkloads complete by the names of those.
func (a *app) completeMembers() cobra.CompletionFunc {
	return completeNames(a, func(c call) ([]string, error) {
		all, _, err := members.fetch(c, query{})
		return members.keys(all), err
	})
}

func (a *app) completeWorkloads() cobra.CompletionFunc {
	return completeNames(a, func(c call) ([]string, error) {
		all, _, err := workloads.fetch(c, query{})
		return workloads.keys(all), err
	})
}
