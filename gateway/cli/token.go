package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) tokenCommand() *cobra.Command {
	group := &cobra.Command{Use: "token", Short: "Join tokens"}
	var member string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:     "create --member NAME",
		Short:   "Make a token with which one cluster can join once, under this name",
		Example: "  hansa token create --member osaka --ttl 1h > token",
		Args:    cobra.NoArgs,
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.Flags().StringVar(&member, "member", "", "name under which the cluster joins")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long the token can be used")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		switch {
		case member == "":
			return Usagef("--member is missing: the token is bound to a name")
		case ttl <= 0:
			return Usagef("--ttl %s: want a time to come, for example 1h", ttl)
		}
		return nil
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		answer, err := c.Members.CreateToken(cmd.Context(), &gatewayv1.CreateTokenRequest{Member: member, Ttl: durationpb.New(ttl)})
		if err != nil {
			return err
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "for %s, once, within %s; it is not shown again\n", member, ttl)
		_, err = fmt.Fprintln(cmd.OutOrStdout(), answer.GetToken())
		return err
	})
	group.AddCommand(cmd)
	return group
}
