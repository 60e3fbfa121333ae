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
	list := tokenKind.command(a)
	list.Use, list.Aliases = "list [ID...]", nil
	group.AddCommand(a.tokenCreateCommand(), list, a.tokenRevokeCommand())
	return group
}

var tokenKind = kind[*gatewayv1.Token]{
	name:     "token",
	argument: "ID",
	listed:   "token list",
	short:    "The join tokens of the last week, without their secrets",
	fetch: func(c call, _ query) ([]*gatewayv1.Token, string, error) {
		answer, err := c.Members.ListTokens(c.cmd.Context(), &gatewayv1.ListTokensRequest{})
		return answer.GetTokens(), "", err
	},
	key: (*gatewayv1.Token).GetId,
	tree: func(t *gatewayv1.Token) object {
		all := treeOf(t)
		return object{
			{"apiVersion", apiVersion},
			{"kind", "Token"},
			{"metadata", object{{"name", t.GetId()}}},
			{"spec", all.pick("member", "expiresAt")},
			{"status", all.pick("used", "expired")},
		}
	},
	columns: []column[*gatewayv1.Token]{
		{name: "ID", cell: (*gatewayv1.Token).GetId},
		{name: "MEMBER", cell: (*gatewayv1.Token).GetMember},
		{name: "STATE", cell: func(t *gatewayv1.Token) string {
			switch {
			case t.GetUsed():
				return "used"
			case t.GetExpired():
				return "expired"
			}
			return "can be used"
		}},
		{name: "EXPIRES", cell: func(t *gatewayv1.Token) string { return t.GetExpiresAt().AsTime().UTC().Format(time.RFC3339) }},
	},
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID...", Short: "Remove join tokens, so that nobody can join with them", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames(a, func(c call) ([]string, error) {
			all, _, err := tokenKind.fetch(c, query{})
			return tokenKind.keys(all), err
		}),
	}
	cmd.RunE = a.asking(func(c call, args []string) error {
		for _, id := range args {
			if _, err := c.Members.RevokeToken(cmd.Context(), &gatewayv1.RevokeTokenRequest{Id: id}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "token %s revoked\n", id)
		}
		return nil
	})
	return cmd
}

func (a *app) tokenCreateCommand() *cobra.Command {
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
	return cmd
}
