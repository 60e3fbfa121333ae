package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// hubSilence is how long the gateway may not have heard the hub before status
// calls it silent; the hub beats four times a second.
const hubSilence = 3 * time.Second

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How gateway, hub and bus are; exit code 1 when one of them is not well",
		Args:  cobra.NoArgs,
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = a.asking(func(c call, _ []string) error {
		s, err := c.Events.GetStatus(cmd.Context(), &gatewayv1.GetStatusRequest{})
		if err != nil {
			return err
		}
		if out.structured() {
			err = out.print(cmd.OutOrStdout(), append(object{{"gateway", a.used.Gateway}}, treeOf(s)...))
		} else {
			err = newGrid(cmd.OutOrStdout()).print(statusRows(s, a.used.Gateway)...)
		}
		if err != nil {
			return err
		}
		return unwell(s)
	})
	return cmd
}

func statusRows(s *gatewayv1.GetStatusResponse, gateway string) [][]string {
	rows := [][]string{
		{"gateway", fmt.Sprintf("%s, version %s, table at revision %d", gateway, s.GetVersion(), s.GetRevision())},
		{"hub", fmt.Sprintf("term %d, heard %s", s.GetHubTerm(), heardAgo(s.GetHubAgeMs()))},
		{"bus", "connected"},
		{"members", fmt.Sprintf("%d of %d healthy", s.GetMembersHealthy(), s.GetMembers())},
		{"workloads", fmt.Sprintf("%d of %d ready", s.GetWorkloadsReady(), s.GetWorkloads())},
		{"automation", "may act"},
	}
	if !s.GetSynced() {
		rows[0][1] = fmt.Sprintf("%s, version %s, has not read all records yet", gateway, s.GetVersion())
	}
	if late := behind(s); late != "" {
		rows[0][1] += ", lacks " + late
	}
	if s.GetHubAgeMs() < 0 {
		rows[1][1] = "never heard"
	}
	if !s.GetBusConnected() {
		rows[2][1] = "not connected"
	}
	if s.GetFull() != "" {
		rows[2][1] = "takes no desired state: " + s.GetFull()
	}
	if s.GetFrozen() != "" {
		rows[5][1] = "frozen: " + s.GetFrozen()
	}
	return rows
}

// mayLack is how long a gateway may lack a record before status says so.
const mayLack = 2 * time.Second

// behind lists the records that the gateway has lacked for too long.
func behind(s *gatewayv1.GetStatusResponse) string {
	var out []string
	for _, b := range s.GetBehind() {
		if late := milliseconds(b.GetForMs()); late > mayLack {
			out = append(out, fmt.Sprintf("%d records of %s for %s", b.GetRecords(), b.GetBucket(), duration(late)))
		}
	}
	return strings.Join(out, ", ")
}

// unwell says what is wrong with the layer that federates; the members and the
// workloads may be in any state.
func unwell(s *gatewayv1.GetStatusResponse) error {
	age := milliseconds(s.GetHubAgeMs())
	switch {
	case !s.GetBusConnected():
		return fmt.Errorf("the gateway has no connection to the bus: answers are from its last table; look at the log of the hub's process")
	case s.GetHubAgeMs() < 0:
		return fmt.Errorf("the gateway never heard the hub: members go on as they are, nothing is decided; look at the hub's log")
	case age > hubSilence:
		return fmt.Errorf("the hub is silent for %s: members go on as they are, nothing is decided; look at the hub's log", duration(age))
	case s.GetFull() != "":
		return fmt.Errorf("no desired state is taken: %s", s.GetFull())
	case !s.GetSynced():
		return fmt.Errorf("the gateway has not read all records yet: try again in a moment")
	case behind(s) != "":
		return fmt.Errorf("the gateway lacks %s: its answers are stale; see \"hansa bus doctor\", or ask another gateway", behind(s))
	}
	return nil
}
