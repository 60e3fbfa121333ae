package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) scoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Write figures from outside (cost, carbon, …) that Placements can weigh",
	}
	cmd.AddCommand(a.scoreSetCommand(), a.scoreDeleteCommand())
	return cmd
}

func (a *app) scoreSetCommand() *cobra.Command {
	var maxAge time.Duration
	cmd := &cobra.Command{
		Use:   "set NAME MEMBER=VALUE...",
		Short: "Write a score for members: lower is better, the unit does not matter",
		Example: `  hansa score set cost tokyo=0.052 frankfurt=0.047 virginia=0.041 --max-age 24h
  hansa score set carbon tokyo=480 frankfurt=350`,
		Args: cobra.MinimumNArgs(2),
	}
	cmd.Flags().DurationVar(&maxAge, "max-age", time.Hour, "how long the figures count")
	request := &gatewayv1.SetScoreRequest{}
	cmd.PreRunE = func(_ *cobra.Command, args []string) (err error) {
		request.Name, request.MaxAge = args[0], durationpb.New(maxAge)
		request.Values, err = scoreValues(args[1:])
		return err
	}
	cmd.RunE = a.asking(func(c call, _ []string) error {
		if _, err := c.Workloads.SetScore(cmd.Context(), request); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "score %s of %d members counts for %s\n", request.GetName(), len(request.GetValues()), maxAge)
		return nil
	})
	return cmd
}

// scoreValues reads MEMBER=VALUE of each argument.
func scoreValues(args []string) (map[string]float64, error) {
	out := map[string]float64{}
	for _, text := range args {
		member, number, _ := strings.Cut(text, "=")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || member == "" {
			return nil, Usagef("%q: want MEMBER=VALUE, for example tokyo=0.052", text)
		}
		out[member] = v
	}
	return out, nil
}

func (a *app) scoreDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME", Short: "Remove a score from outside", Args: cobra.ExactArgs(1)}
	cmd.RunE = a.asking(func(c call, args []string) error {
		if _, err := c.Workloads.SetScore(cmd.Context(), &gatewayv1.SetScoreRequest{Name: args[0]}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "score %s removed\n", args[0])
		return nil
	})
	return cmd
}

var scoreKind = kind[*gatewayv1.ExternalScore]{
	name:     "score",
	argument: "NAME",
	short:    "Scores from outside, and whether they still count",
	fetch: func(c call, _ query) ([]*gatewayv1.ExternalScore, string, error) {
		answer, err := c.Workloads.ListScores(c.cmd.Context(), &gatewayv1.ListScoresRequest{})
		return answer.GetScores(), "", err
	},
	key:  (*gatewayv1.ExternalScore).GetName,
	tree: scoreTree,
	columns: []column[*gatewayv1.ExternalScore]{
		{name: "NAME", cell: (*gatewayv1.ExternalScore).GetName},
		{name: "VALUES", cell: scoreCell},
		{name: "COUNTS", cell: func(s *gatewayv1.ExternalScore) string {
			if s.GetExpired() {
				return "no, too old"
			}
			return "yes"
		}},
		{name: "AGE", volatile: true, cell: func(s *gatewayv1.ExternalScore) string { return since(s.GetReportedAt()) }},
		{name: "MAX-AGE", cell: func(s *gatewayv1.ExternalScore) string { return s.GetMaxAge().AsDuration().String() }},
		{name: "BY", wide: true, cell: func(s *gatewayv1.ExternalScore) string { return or(s.GetSource(), none) }},
	},
}

func scoreCell(s *gatewayv1.ExternalScore) string {
	var out []string
	for _, member := range slices.Sorted(maps.Keys(s.GetValues())) {
		out = append(out, member+"="+strconv.FormatFloat(s.GetValues()[member], 'g', -1, 64))
	}
	return strings.Join(out, " ")
}

func scoreTree(s *gatewayv1.ExternalScore) object {
	all := treeOf(s)
	return object{
		{"apiVersion", apiVersion},
		{"kind", "Score"},
		{"metadata", object{{"name", s.GetName()}}},
		{"spec", all.pick("values", "maxAge")},
		{"status", all.pick("reportedAt", "source", "expired")},
	}
}
