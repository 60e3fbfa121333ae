package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) resolveCommand() *cobra.Command {
	var ask gatewayv1.ResolveRequest
	var watch bool
	cmd := &cobra.Command{
		Use:   "resolve NS/NAME",
		Short: "Where a service is, best for a caller in a place; nearest tier first",
		Example: `  hansa resolve shop/web --from osaka
  hansa resolve shop/web --from 50.11,8.68 --port http -o json`,
		Args: oneKey("service"),
	}
	out := outputFlag(cmd, formatTable, formatWide, formatJSON, formatYAML)
	flags := cmd.Flags()
	flags.StringVar(&ask.Port, "port", "", "name or number of the port (default: all)")
	flags.StringVar(&ask.From, "from", "", "where the caller is: a region, a city, or LATITUDE,LONGITUDE (default: where the gateway is)")
	flags.BoolVar(&ask.Explain, "explain", false, "say why the tiers are in this order")
	flags.BoolVarP(&watch, "watch", "w", false, "go on, and print each answer that differs")
	cmd.ValidArgsFunction = completeNames(a, func(c call) ([]string, error) {
		all, _, err := services.fetch(c, query{})
		return services.keys(all), err
	})
	cmd.RunE = a.asking(func(c call, args []string) error {
		k, err := key(args[0])
		if err != nil {
			return err
		}
		ask.Namespace, ask.Name = k.Namespace, k.Name
		if watch {
			return c.watchResolve(&ask, out)
		}
		answer, err := c.Discovery.Resolve(cmd.Context(), &ask)
		if err != nil {
			return c.suggestService(args[0], err)
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(answer))
		}
		return printAnswer(c, answer, out)
	})
	return cmd
}

// watchResolve prints the answer each time it changes, until the user ends it. A
// gateway that goes away is followed by another.
func (c call) watchResolve(ask *gatewayv1.ResolveRequest, out *format) error {
	progress := newProgress(c.cmd.ErrOrStderr())
	err := c.resuming(progress, func(heard func()) error {
		stream, err := c.Discovery.WatchResolve(c.cmd.Context(), &gatewayv1.WatchResolveRequest{Query: ask})
		for err == nil {
			var update *gatewayv1.WatchResolveResponse
			if update, err = stream.Recv(); err == nil {
				heard()
				err = c.printUpdate(update, out)
			}
		}
		return err
	})
	if c.cmd.Context().Err() != nil {
		return nil
	}
	return c.suggestService(ask.GetNamespace()+"/"+ask.GetName(), err)
}

func (c call) printUpdate(update *gatewayv1.WatchResolveResponse, out *format) error {
	if out.structured() {
		return out.printOne(c.cmd.OutOrStdout(), treeOf(update.GetAnswer()))
	}
	return printAnswer(c, update.GetAnswer(), out)
}

func (c call) suggestService(name string, err error) error {
	if !notFound(err) {
		return err
	}
	all, _, listErr := services.fetch(c, query{})
	if listErr != nil {
		return err
	}
	return services.unknown(name, services.keys(all))
}

func printAnswer(c call, answer *gatewayv1.ResolveResponse, out *format) error {
	w := c.cmd.OutOrStdout()
	fmt.Fprintf(w, "%s from %s, revision %d\n", answer.GetService(), askedFrom(answer), answer.GetRevision())
	wide := out.value == formatWide
	header := []string{"TIER", "MEMBER", "REGION", "ROUND-TRIP", "ADDRESS", "STATE", "AGE"}
	if wide {
		header = append(header, "WEIGHT", "ZONE", "PORT-NAME", "PROTOCOL")
	}
	rows := [][]string{header}
	for i, tier := range answer.GetTiers() {
		for _, e := range tier.GetEndpoints() {
			rows = append(rows, endpointRow(i+1, tier, e, wide))
		}
	}
	if len(rows) == 1 {
		fmt.Fprintln(w, "no endpoint is ready in any member that answers")
	} else if err := newGrid(w).print(rows...); err != nil {
		return err
	}
	if len(answer.GetExplanation()) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(answer.GetExplanation(), "\n"))
	}
	return nil
}

// askedFrom is "ap-northeast (34.69,135.50; by request)".
func askedFrom(answer *gatewayv1.ResolveResponse) string {
	place := answer.GetPlace()
	return fmt.Sprintf("%s (%s; by %s)", or(place.GetRegion(), "an unnamed place"), coordinates(place), or(answer.GetPlaceSource(), "default"))
}

func endpointRow(rank int, tier *gatewayv1.Tier, e *gatewayv1.ResolvedEndpoint, wide bool) []string {
	row := []string{
		strconv.Itoa(rank), e.GetMember(), or(e.GetRegion(), none), fmt.Sprintf("%.0fms", tier.GetLatencyMs()),
		address(e), e.GetState(), heard(e.GetAgeMs()),
	}
	if wide {
		row = append(row, strconv.Itoa(int(e.GetWeight())), or(e.GetZone(), none), or(e.GetPortName(), none), or(e.GetProtocol(), none))
	}
	return row
}

// address is "10.1.2.3:80"; an IPv6 address has brackets.
func address(e *gatewayv1.ResolvedEndpoint) string {
	host := e.GetAddress()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(e.GetPort()))
}
