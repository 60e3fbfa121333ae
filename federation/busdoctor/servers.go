package busdoctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// servers: all of them answer.
func servers(w World) []Finding {
	n := len(byName(w))
	if n >= w.Report.Wanted {
		return nil
	}
	why := "nothing is replicated, and the loss of the server loses the store"
	if w.Report.Wanted > 1 {
		why = fmt.Sprintf("a majority of %d must be there for anything to be written: each one that is away brings that nearer", w.Report.Wanted)
	}
	return []Finding{{
		Check: "servers", About: "bus", Found: fmt.Sprintf("%d of %d servers answer: %s", n, w.Report.Wanted, list(slices.Sorted(maps.Keys(byName(w))))), Why: why,
		Do: "start the hub that is away, or look at its log and at the way to bus.cluster.listen between the hubs",
	}}
}

func byName(w World) map[string][]federation.BusServer {
	out := map[string][]federation.BusServer{}
	for _, s := range w.Report.Servers {
		out[s.Name] = append(out[s.Name], s)
	}
	return out
}

// names: no two servers have the same.
func names(w World) []Finding {
	var out []Finding
	all := byName(w)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if n := len(all[name]); n > 1 {
			out = append(out, Finding{
				Check: "names", About: "server " + name, Found: fmt.Sprintf("%d servers have this name", n),
				Why: "streams are placed and led by name: they take each other's place in the cluster", Do: "give each hub a name of its own (name in its file) and start it again with an empty data directory",
			})
		}
	}
	return out
}

// versions: all servers run the same.
func versions(w World) []Finding {
	count := map[string]int{}
	for _, s := range w.Report.Servers {
		count[s.Version]++
	}
	if len(count) < 2 {
		return nil
	}
	usual := slices.MaxFunc(slices.Sorted(maps.Keys(count)), func(a, b string) int { return cmp.Compare(count[a], count[b]) })
	var out []Finding
	for _, s := range w.Report.Servers {
		if s.Version != usual {
			out = append(out, Finding{
				Check: "versions", About: "server " + s.Name, Found: fmt.Sprintf("runs %s, %d of %d run %s", s.Version, count[usual], len(w.Report.Servers), usual),
				Why: "during an upgrade this is as it should be; for longer, servers that differ keep streams that not all of them understand", Do: "finish the upgrade of all hubs",
			})
		}
	}
	return out
}

// routes: every server reaches every other one.
func routes(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Servers {
		var missing []string
		for _, other := range w.Report.Servers {
			if other.Name != s.Name && !slices.ContainsFunc(s.Routes, func(r federation.BusRoute) bool { return r.Server == other.Name }) {
				missing = append(missing, other.Name)
			}
		}
		if len(missing) > 0 && len(s.Routes) > 0 {
			out = append(out, Finding{
				Check: "routes", About: "server " + s.Name, Found: "has no route to " + list(missing),
				Why: "what is written on one of them reaches the other by way of a third or not at all", Do: "let the hubs reach each other at bus.cluster.listen, and list all others in bus.cluster.routes of each",
			})
		}
	}
	return out
}

// store: streams are kept, and kept on disk before a write is answered.
func store(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Servers {
		switch {
		case !s.JetStream.Enabled:
			out = append(out, Finding{
				Check: "store", About: "server " + s.Name, Found: "JetStream is off", Why: "it keeps no stream, and counts for no majority", Do: "set jetstream in the server's configuration",
			})
		case !s.JetStream.SyncAlways:
			out = append(out, Finding{
				Check: "store", About: "server " + s.Name, Found: "writes are answered before they are on disk",
				Why: "a power cut loses what was acknowledged, and streams younger than some minutes altogether", Do: "set jetstream.sync_interval to \"always\" in the server's configuration",
			})
		}
	}
	domains := map[string][]string{}
	for _, s := range w.Report.Servers {
		if s.JetStream.Enabled {
			domains[s.JetStream.Domain] = append(domains[s.JetStream.Domain], s.Name)
		}
	}
	if len(domains) > 1 {
		var found []string
		for _, d := range slices.Sorted(maps.Keys(domains)) {
			found = append(found, fmt.Sprintf("%q on %s", d, list(domains[d])))
		}
		out = append(out, Finding{
			Check: "store", About: "bus", Found: "JetStream has several domains: " + strings.Join(found, ", "),
			Why: "servers of different domains share no streams", Do: "give all servers of the bus the same jetstream.domain",
		})
	}
	return out
}

// disk: there is room to write.
func disk(w World) []Finding {
	var out []Finding
	if w.Full != "" {
		out = append(out, Finding{
			Check: "disk", About: "bus", Found: w.Full, Why: "no desired state is taken; decisions and reports are, until there is next to no room",
			Do: "make room on the disk of dataDir, or move it to a larger one",
		})
	}
	for _, s := range w.Report.Servers {
		if share := float64(s.JetStream.Used) / float64(max(1, s.JetStream.Limit)); s.JetStream.Limit > 0 && share > fullDisk {
			out = append(out, Finding{
				Check: "disk", About: "server " + s.Name,
				Found: fmt.Sprintf("its streams use %.0f %% of the %s that they may", 100*share, size(s.JetStream.Limit)),
				Why:   "when it is full nothing is written any more, decisions included", Do: "make room on the disk of dataDir, or move it to a larger one",
			})
		}
	}
	return out
}

// limits: messages are let through.
func limits(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Servers {
		for _, l := range []struct {
			name      string
			has, need int64
			why       string
		}{
			{"max_payload", s.MaxPayload, MaxPayload, "a workload with large objects cannot be written"},
			{"max_control_line", s.MaxControl, MaxControl, "gateways and agents cannot log in: their credentials list what they may do"},
		} {
			if l.has > 0 && l.has < l.need {
				out = append(out, Finding{
					Check: "limits", About: "server " + s.Name, Found: fmt.Sprintf("%s is %s, want %s or more", l.name, size(l.has), size(l.need)), Why: l.why,
					Do: fmt.Sprintf("set %s: %d in the server's configuration", l.name, l.need),
				})
			}
		}
	}
	return out
}

// clocks: they agree.
func clocks(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Servers {
		if s.ClockOffset.Abs() > clockSkew {
			out = append(out, Finding{
				Check: "clocks", About: "server " + s.Name, Found: fmt.Sprintf("its clock differs from that of the hub that leads by %s", s.ClockOffset.Round(100*time.Millisecond)),
				Why: "credentials and certificates seem expired or not yet valid, and events have wrong times; no decision counts on clocks", Do: "let NTP set the clocks of both machines",
			})
		}
	}
	return out
}

// most bounds a list of names in one line.
const most = 8

func list(names []string) string {
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// size writes bytes as people do.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
