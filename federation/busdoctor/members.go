package busdoctor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// accounts: every member has one on every server, and nobody else has one.
func accounts(w World) []Finding {
	var out []Finding
	for _, s := range w.Report.Servers {
		if len(s.Lacks) > 0 {
			out = append(out, Finding{
				Check: "accounts", About: "server " + s.Name, Found: "does not hold the accounts of " + list(s.Lacks), Why: "these members cannot connect there when their server is lost",
				Do: "wait 10 s: servers tell each other what they missed; if it stays, start the hub that leads again: it gives them all accounts",
			})
		}
	}
	if n := len(w.Report.Orphans); n > 0 {
		out = append(out, Finding{
			Check: "accounts", About: "bus", Found: fmt.Sprintf("%d accounts belong to no member: %s", n, list(w.Report.Orphans)),
			Why: "who has credentials of them still gets on the bus, and no further: the hub answers only members", Do: "if a store was restored, join their clusters again; else let their clusters' agents be stopped",
		})
	}
	return out
}

// open lists the connections of each member.
func open(w World) map[string][]federation.BusConnection {
	out := map[string][]federation.BusConnection{}
	for _, c := range w.Report.Connections {
		if c.Member != "" && c.Closed.IsZero() {
			out[c.Member] = append(out[c.Member], c)
		}
	}
	return out
}

// Expiring lists what expires soon, or has.
func Expiring(w World) []federation.Expiry {
	return slices.DeleteFunc(Expiries(w), func(e federation.Expiry) bool {
		if !e.Soon.IsZero() {
			return w.Now.Before(e.Soon)
		}
		return e.Ends.Sub(w.Now) > Soon
	})
}

// Expiries lists the ends of the credentials of members, as their records say or else
// their connections, and of certificates.
func Expiries(w World) []federation.Expiry {
	var out []federation.Expiry
	live := open(w)
	for _, m := range w.Members {
		ends := m.CredentialsEnd
		for _, c := range live[m.Name] {
			if ends.IsZero() {
				ends = c.Expires
			}
		}
		out = append(out, federation.Expiry{Kind: "credentials", About: "member " + m.Name, Ends: ends, Soon: m.CredentialsLate})
	}
	for _, s := range w.Report.Servers {
		out = append(out, federation.Expiry{Kind: "certificate", About: "server " + s.Name, Ends: s.CertificateEnds})
	}
	out = append(out, w.Expiries...)
	return slices.DeleteFunc(out, func(e federation.Expiry) bool { return e.Ends.IsZero() })
}

// When says when something ends, for people: "end in 9 days, on 2026-03-11 11:00".
func When(e federation.Expiry, now time.Time) string {
	left, day := e.Ends.Sub(now), e.Ends.UTC().Format("2006-01-02 15:04")
	verb := "ends"
	if e.Kind == "credentials" {
		verb = "end"
	}
	switch {
	case left <= 0:
		return "ended on " + day
	case left < 48*time.Hour:
		return fmt.Sprintf("%s in %d h, on %s", verb, int(left.Hours()), day)
	}
	return fmt.Sprintf("%s in %d days, on %s", verb, int(left.Hours()/24), day)
}

func credentials(w World) []Finding {
	return expiring(w, "credentials", "the member is cut off then, and goes on as it is without orders",
		"see the log of its agent, which should have renewed them; else join it again with a new token (hansa token create)")
}

func certificates(w World) []Finding {
	return expiring(w, "certificate", "nobody connects any more then: the other side refuses it", "issue a new certificate: the bus and gateways read theirs again when the file changes")
}

func expiring(w World, kind, why, do string) []Finding {
	var out []Finding
	for _, e := range Expiring(w) {
		if e.Kind == kind {
			out = append(out, Finding{Check: "expiry", About: e.About, Found: "its " + kind + " " + When(e, w.Now), Why: why, Do: do})
		}
	}
	return out
}

// places: a member connects from one place.
func places(w World) []Finding {
	var out []Finding
	live := open(w)
	for _, member := range slices.Sorted(maps.Keys(live)) {
		addresses := map[string]bool{}
		for _, c := range live[member] {
			addresses[c.Address] = true
		}
		f := Finding{Check: "places", About: "member " + member}
		switch {
		case len(addresses) > 1:
			f.Found = "it connects from " + list(sorted(addresses))
		case len(live[member]) > connections:
			f.Found = fmt.Sprintf("it has %d connections, its agent needs %d", len(live[member]), connections)
		default:
			continue
		}
		f.Why = "two agents with the same credentials take each other's orders; one that has just moved, or whose network changed, looks like that for half a minute"
		f.Do = "if it stays, stop the agent that should not run"
		out = append(out, f)
	}
	return out
}

// users: nobody uses credentials that were replaced.
func users(w World) []Finding {
	var out []Finding
	live := open(w)
	for _, member := range slices.Sorted(maps.Keys(live)) {
		keys := map[string]bool{}
		for _, c := range live[member] {
			if c.User != "" {
				keys[c.User] = true
			}
		}
		if len(keys) > 1 {
			out = append(out, Finding{
				Check: "users", About: "member " + member, Found: fmt.Sprintf("it uses %d different credentials: %s", len(keys), list(sorted(keys))),
				Why: "one of them is older than its last join or renewal, and somebody else may have it", Do: "find who connects with the older one in \"hansa bus status -o wide\", and stop it",
			})
		}
	}
	return out
}

// slow: nobody was cut off because it did not read.
func slow(w World) []Finding {
	count := map[string]int{}
	last := map[string]federation.BusConnection{}
	for _, c := range w.Report.Connections {
		if c.Closed.IsZero() {
			continue
		}
		who := c.Role + " " + c.Name
		if c.Member != "" {
			who = "member " + c.Member
		}
		count[who]++
		if c.Closed.After(last[who].Closed) {
			last[who] = c
		}
	}
	var out []Finding
	for _, who := range slices.Sorted(maps.Keys(count)) {
		out = append(out, Finding{
			Check: "slow", About: who, Found: fmt.Sprintf("it was cut off %d times of late because it did not read, last at %s: %s", count[who], last[who].Closed.UTC().Format("15:04:05"), last[who].Reason),
			Why: "it lost what was sent to it meanwhile, and reads again what is stored", Do: "give the process more CPU, or find what stalls it in its log",
		})
	}
	return out
}
