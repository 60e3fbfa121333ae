package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// mostBusLines bounds the lists of "bus status" that grow with the members.
const mostBusLines = 10

func printBus(c call, r *gatewayv1.GetBusResponse, wide bool) error {
	w := c.cmd.OutOrStdout()
	fmt.Fprintf(w, "%d of %s, led by hub %s, %s ago\n", len(r.GetServers()), plural(int(r.GetWanted()), "server"), or(r.GetLeader(), none), since(r.GetAt()))
	if n := len(r.GetFindings()); n > 0 {
		fmt.Fprintf(w, "%s: see \"hansa bus doctor\"\n", plural(n, "finding"))
	}
	for _, section := range []struct {
		rows [][]string
		all  bool
	}{
		{serverRows(r), true}, {streamRows(r, wide), true}, {readerRows(r, wide), wide}, {memberRows(r), wide}, {clientRows(r), wide},
	} {
		if len(section.rows) < 2 {
			continue
		}
		rows, more := section.rows, 0
		if !section.all && len(rows) > mostBusLines+1 {
			rows, more = rows[:mostBusLines+1], len(rows)-mostBusLines-1
		}
		fmt.Fprintln(w)
		if err := newGrid(w).print(rows...); err != nil {
			return err
		}
		if more > 0 {
			fmt.Fprintf(w, "%d more: -o wide\n", more)
		}
	}
	for _, text := range r.GetOmitted() {
		fmt.Fprintf(w, "\nnot known: %s\n", text)
	}
	return nil
}

func serverRows(r *gatewayv1.GetBusResponse) [][]string {
	rows := [][]string{{"SERVER", "VERSION", "UP", "CPU", "MEMORY", "CLIENTS", "LEADS", "STORE", "ROUTES"}}
	for _, s := range r.GetServers() {
		leads := plural(int(s.GetLeads()), "stream")
		if s.GetLeadsCluster() {
			leads += ", cluster"
		}
		store := "off"
		if s.GetJetStream().GetEnabled() {
			store = bytesOf(s.GetJetStream().GetUsed())
			if limit := s.GetJetStream().GetLimit(); limit > 0 {
				store += "/" + bytesOf(limit)
			}
		}
		var routes []string
		for _, o := range s.GetRoutes() {
			routes = append(routes, o.GetServer()+" "+millis(o.GetRttMs()))
		}
		rows = append(rows, []string{
			s.GetName(), s.GetVersion(), since(s.GetStarted()), strconv.FormatFloat(s.GetCpu(), 'f', 0, 64) + "%", bytesOf(s.GetMemory()),
			strconv.FormatInt(s.GetConnections(), 10), leads, store, or(strings.Join(routes, ", "), none),
		})
	}
	return rows
}

// streamRows joins the works of members unless they are wanted one by one.
func streamRows(r *gatewayv1.GetBusResponse, wide bool) [][]string {
	rows := [][]string{{"BUCKET", "RECORDS", "SIZE", "LEADER", "COPIES"}}
	var works gatewayv1.BusStream
	leaders, joined := map[string]bool{}, 0
	for _, s := range r.GetStreams() {
		if s.GetMember() != "" && !wide && state(s) == "" {
			works.Records, works.Bytes = works.GetRecords()+s.GetRecords(), works.GetBytes()+s.GetBytes()
			leaders[s.GetLeader()] = true
			joined++
			continue
		}
		name := s.GetBucket()
		if s.GetMember() != "" {
			name = "works of " + s.GetMember()
		}
		rows = append(rows, []string{name, strconv.FormatInt(s.GetRecords(), 10), bytesOf(s.GetBytes()), or(s.GetLeader(), none), or(state(s), copies(s))})
	}
	if joined > 0 {
		rows = append(rows, []string{"works of " + plural(joined, "member"), strconv.FormatInt(works.GetRecords(), 10), bytesOf(works.GetBytes()), keysOf(leaders), none})
	}
	return rows
}

// state says what is wrong with a stream.
func state(s *gatewayv1.BusStream) string {
	var out []string
	if s.GetMissing() {
		out = append(out, "missing")
	}
	out = append(out, s.GetWrong()...)
	for _, o := range s.GetReplicas() {
		switch {
		case o.GetOffline():
			out = append(out, o.GetServer()+" offline")
		case o.GetLag() > 0 || !o.GetCurrent():
			out = append(out, fmt.Sprintf("%s %d behind", o.GetServer(), o.GetLag()))
		}
	}
	return strings.Join(out, ", ")
}

func copies(s *gatewayv1.BusStream) string {
	var out []string
	for _, o := range s.GetReplicas() {
		out = append(out, o.GetServer())
	}
	return or(strings.Join(out, ", "), none)
}

// readerRows lists the readers that lag, or all.
func readerRows(r *gatewayv1.GetBusResponse, wide bool) [][]string {
	rows := [][]string{{"READER OF", "NAME", "WAITING", "UNACKNOWLEDGED", "REDELIVERED"}}
	for _, c := range r.GetConsumers() {
		if !wide && c.GetPending()+c.GetUnacked()+c.GetRedelivered() == 0 {
			continue
		}
		of, name := c.GetBucket(), c.GetName()
		if c.GetMember() != "" {
			of, name = "works", c.GetMember()
		}
		rows = append(rows, []string{
			of, name, strconv.FormatInt(c.GetPending(), 10), strconv.FormatInt(c.GetUnacked(), 10), strconv.FormatInt(c.GetRedelivered(), 10),
		})
	}
	return rows
}

// memberRows lists the connections of members, those first that have none.
func memberRows(r *gatewayv1.GetBusResponse) [][]string {
	rows := [][]string{{"MEMBER", "SERVER", "FROM", "RTT", "SINCE", "PENDING", "CONNECTION"}}
	connected := map[string]bool{}
	for _, c := range r.GetConnections() {
		connected[c.GetMember()] = connected[c.GetMember()] || c.GetClosed() == nil
	}
	for _, s := range r.GetStreams() {
		if s.GetMember() != "" && !connected[s.GetMember()] && len(r.GetConnections()) > 0 {
			rows = append(rows, []string{s.GetMember(), none, none, none, none, none, "none"})
		}
	}
	for _, c := range r.GetConnections() {
		if c.GetMember() != "" {
			rows = append(rows, append([]string{c.GetMember()}, connection(c)...))
		}
	}
	return rows
}

// clientRows lists the other connections.
func clientRows(r *gatewayv1.GetBusResponse) [][]string {
	rows := [][]string{{"CLIENT", "SERVER", "FROM", "RTT", "SINCE", "PENDING", "CONNECTION"}}
	for _, c := range r.GetConnections() {
		if c.GetMember() == "" {
			rows = append(rows, append([]string{c.GetRole()}, connection(c)...))
		}
	}
	return rows
}

func connection(c *gatewayv1.BusConnection) []string {
	name := c.GetName()
	if c.GetClosed() != nil {
		name += fmt.Sprintf(", cut off %s ago: %s", since(c.GetClosed()), c.GetReason())
	}
	return []string{c.GetServer(), or(c.GetAddress(), "this process"), millis(c.GetRttMs()), since(c.GetSince()), bytesOf(c.GetPending()), name}
}

// bytesOf is a number of bytes for people.
func bytesOf(n int64) string { return size(strconv.FormatInt(n, 10)) }

// millis is a short span for people: "0.4ms", "112ms"; "-" when it was not measured.
func millis(ms float64) string {
	switch {
	case ms <= 0:
		return none
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return milliseconds(ms).Round(time.Second).String()
}

func keysOf(set map[string]bool) string {
	var out []string
	for k := range set {
		out = append(out, or(k, none))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
