package busdoctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

func streamName(s federation.BusStream) string {
	if s.Member != "" {
		return "works of " + s.Member
	}
	return "bucket " + s.Bucket
}

// streams: all are there, as they should be, and led.
func streams(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Streams {
		f := Finding{Check: "streams", About: streamName(s)}
		switch {
		case s.Missing:
			f.Found, f.Why = "stream "+s.Stream+" is not there", "nothing of it can be read or written"
			f.Do = "start the hub again: it makes what is missing; restore what was in it from a backup"
		case s.Leader == "":
			f.Found, f.Why = "stream "+s.Stream+" has no leader", "nothing of it can be read or written until a majority of its servers agrees on one"
			f.Do = "start the servers that are away; an election takes up to 9 s"
		case len(s.Wrong) > 0:
			f.Found, f.Why = strings.Join(s.Wrong, "; "), "somebody changed the stream, or an older hub made it"
			f.Do = "start the hub again: it sets what can be set; what stays wrong was made by hand and has to be made anew from a backup"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// replicas: every copy is there and current.
func replicas(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Streams {
		var away, behind []string
		for _, r := range s.Replicas {
			switch {
			case r.Offline:
				away = append(away, r.Server)
			case r.Lag > lagReplica || !r.Current:
				behind = append(behind, fmt.Sprintf("%s (%d operations)", r.Server, r.Lag))
			}
		}
		if len(away) > 0 {
			out = append(out, Finding{
				Check: "replicas", About: streamName(s), Found: "its copy on " + list(away) + " is offline", Why: "the loss of one more server stops it",
				Do: "start that server; if it is gone for good, start a new hub under its name with an empty data directory",
			})
		}
		if len(behind) > 0 {
			out = append(out, Finding{
				Check: "replicas", About: streamName(s), Found: "its copy is behind on " + list(behind), Why: "until it has caught up it cannot take over",
				Do: "wait; if it stays, look at the disk and at the network of that server",
			})
		}
	}
	return out
}

// leads: the server of the hub that leads leads the streams, so that the loss of another
// elects nothing. A bus whose servers are not the hubs' has no such order.
func leads(w World) []Finding {
	r := w.Report
	if r.Wanted < 2 || !slices.ContainsFunc(r.Servers, func(s federation.BusServer) bool { return s.Name == r.Leader }) {
		return nil
	}
	elsewhere := map[string]bool{}
	n := 0
	for _, s := range r.Streams {
		if s.Leader != "" && s.Leader != r.Leader {
			elsewhere[s.Leader] = true
			n++
		}
	}
	cluster := ""
	for _, s := range r.Servers {
		if s.LeadsCluster && s.Name != r.Leader {
			cluster = s.Name
		}
	}
	if n == 0 && cluster == "" {
		return nil
	}
	found := fmt.Sprintf("%d of %d streams are led by %s", n, len(r.Streams), list(sorted(elsewhere)))
	if cluster != "" {
		found += fmt.Sprintf("; the cluster is led by %s", cluster)
	}
	return []Finding{{
		Check: "leads", About: "hub " + r.Leader, Found: found, Why: "the loss of a server that leads stops its streams for 4 to 9 s, and each write takes a longer way",
		Do: "wait half a minute: the hub that leads gathers the leads; if they stay, its copies are behind (see replicas)",
	}}
}

func sorted(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// works: a member that is healthy takes its orders.
func works(w World) []Finding {
	healthy := map[string]bool{}
	for _, m := range w.Members {
		healthy[m.Name] = m.Healthy
	}
	var out []Finding
	for _, c := range w.Report.Consumers {
		if c.Member == "" || !healthy[c.Member] {
			continue
		}
		f := Finding{Check: "works", About: "member " + c.Member}
		switch waiting := c.Pending + c.Unacked; {
		case waiting > lagWorks:
			f.Found = fmt.Sprintf("%d orders wait, although it is healthy", waiting)
			f.Why, f.Do = "it runs what it was told before", "look at the log of its agent: it beats, and does not read or cannot write its state"
		case c.Redelivered > redelivered:
			f.Found = fmt.Sprintf("%d orders were delivered more than once and not acknowledged", c.Redelivered)
			f.Why, f.Do = "it takes them and does not get them to disk", "look at the log of its agent, and at its disk"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}
