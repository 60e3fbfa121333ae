package route

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/clusterset"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Query asks for the endpoints of one service.
type Query struct {
	Service federation.Key
	Port    string // name or number; empty for all ports
	From    federation.Place
	Now     time.Time
}

// Answer is a ranked list of endpoints.
type Answer struct {
	Tiers       []Tier
	Explanation []string // one line for each member that exports the service
	Conflicts   []string // disagreements over ports
}

// Tier is a rank of equally good endpoints: those of one region.
type Tier struct {
	Region    string
	Latency   time.Duration // estimated round trip; 0 when it is not known
	Endpoints []Endpoint
}

// Endpoint is one address and port to talk to.
type Endpoint struct {
	Address    string
	Port       int32
	PortName   string
	Protocol   string
	Member     string
	Region     string
	Zone       string
	State      State
	Age        time.Duration // since its member was last heard
	ObservedAt time.Time
}

// State says how far an endpoint can be trusted.
type State string

// The states of an endpoint.
const (
	Fresh    State = "fresh"    // its member was heard just now
	Stale    State = "stale"    // for longer than StaleAfter the hub was not heard, or has records that are not here
	Suspect  State = "suspect"  // its member is suspect, degraded or not heard for StaleAfter
	Draining State = "draining" // it ends, but still serves
)

// StaleAfter is how old the last word may be before answers say so.
const StaleAfter = 2 * time.Second

// Rank answers a query from the table.
func (t *Table) Rank(q Query) Answer {
	exports := t.Exports(q.Service)
	ports, conflicts := merged(exports)
	ports = slices.DeleteFunc(ports, func(p federation.Port) bool { return !wanted(p, q.Port) })
	answer := Answer{Conflicts: conflicts}
	tiers := map[string]*Tier{}
	var draining []Endpoint
	for _, e := range exports {
		member := t.Members[e.Member]
		if why := t.refused(member, e); why != "" {
			answer.Explanation = append(answer.Explanation, e.Member+": not answered: "+why)
			continue
		}
		ready, ending := t.endpoints(q, e, ports)
		draining = append(draining, ending...)
		latency := latencyOf(q.From, member.Spec.Place)
		answer.Explanation = append(answer.Explanation, explain(e, member, latency, len(ready)))
		if len(ready) == 0 {
			continue
		}
		region := member.Spec.Place.Region
		if tiers[region] == nil {
			tiers[region] = &Tier{Region: region, Latency: latency}
		}
		tiers[region].Latency = min(tiers[region].Latency, latency)
		if tiers[region].Endpoints == nil {
			tiers[region].Endpoints = ready
		} else {
			tiers[region].Endpoints = append(tiers[region].Endpoints, ready...)
		}
	}
	answer.Tiers = ordered(tiers)
	if len(answer.Tiers) == 0 && len(draining) > 0 {
		answer.Tiers = []Tier{{Region: draining[0].Region, Endpoints: draining}}
	}
	return answer
}

// refused says why nothing of a member is answered; empty when it may be.
func (t *Table) refused(m Member, e Export) string {
	switch {
	case m.Spec.Name == "":
		return "it is not a member"
	case m.Agreed:
		return "withdrawn: most hubs agree that it is Unreachable, and none leads"
	case m.Beat.Withdrawn:
		return "withdrawn: " + m.Beat.Health.String()
	case m.Beat.Member == "" && !m.Record.Health.Known():
		return m.Record.Health.String()
	case e.Incarnation < m.Beat.Incarnation:
		return "not reported again since its agent started anew"
	}
	return ""
}

func explain(e Export, m Member, latency time.Duration, ready int) string {
	distance := "distance not known"
	if latency > 0 {
		distance = fmt.Sprintf("about %d ms away", latency.Milliseconds())
	}
	return fmt.Sprintf("%s (%s): %s, %d of %d endpoints ready", e.Member, m.Spec.Place.Region, distance, ready, len(e.Endpoints))
}

// latencyOf is 0 when one of the places has no coordinates.
func latencyOf(from, to federation.Place) time.Duration {
	if !from.Located() || !to.Located() {
		return 0
	}
	return catalogue.Latency(from, to)
}

// ordered sorts tiers by latency; those whose distance is not known come last.
func ordered(tiers map[string]*Tier) []Tier {
	out := make([]Tier, 0, len(tiers))
	for _, t := range tiers {
		slices.SortFunc(t.Endpoints, func(a, b Endpoint) int {
			return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port))
		})
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Tier) int {
		return cmp.Or(cmp.Compare(unknownLast(a), unknownLast(b)), cmp.Compare(a.Latency, b.Latency), cmp.Compare(a.Region, b.Region))
	})
	return out
}

func unknownLast(t Tier) int {
	if t.Latency == 0 {
		return 1
	}
	return 0
}

// endpoints lists a member's endpoints for the ports: those that are ready, and
// those that end but still serve.
func (t *Table) endpoints(q Query, e Export, ports []federation.Port) (ready, draining []Endpoint) {
	member := t.Members[e.Member]
	state, age := t.freshness(e, q.Now)
	targets := targetsOf(e, ports)
	ready = make([]Endpoint, 0, len(e.Endpoints)*len(targets))
	for _, ep := range e.Endpoints {
		serving := ep.Ready && !ep.Terminating
		if !serving && !ep.Serving {
			continue
		}
		for _, port := range targets {
			out := Endpoint{
				Address: ep.Address, Port: port.Target, PortName: port.Name, Protocol: port.Protocol, Member: e.Member,
				Region: member.Spec.Place.Region, Zone: ep.Zone, State: state, Age: age, ObservedAt: e.ObservedAt,
			}
			if serving {
				ready = append(ready, out)
				continue
			}
			out.State = Draining
			draining = append(draining, out)
		}
	}
	return ready, draining
}

// freshness says how far a member's word can be trusted now.
func (t *Table) freshness(e Export, now time.Time) (State, time.Duration) {
	age := t.HeardAge(e.Member, now)
	if age < 0 {
		return Stale, now.Sub(e.ArrivedAt)
	}
	health := t.Members[e.Member].Beat.Health
	switch {
	case now.Sub(t.BeatAt) > StaleAfter, t.Behind(now, subject.Exports, subject.Members) > StaleAfter:
		return Stale, age
	case age > StaleAfter, health == federation.Suspect, health == federation.Degraded:
		return Suspect, age
	}
	return Fresh, age
}

func wanted(p federation.Port, port string) bool {
	return port == "" || p.Name == port || strconv.Itoa(int(p.Port)) == port
}

// targetsOf finds the member's own ports of those names and protocols: members
// may listen on different ones.
func targetsOf(e Export, ports []federation.Port) []federation.Port {
	out := make([]federation.Port, 0, len(ports))
	for _, p := range ports {
		for _, own := range e.Ports {
			if own.Name == p.Name && own.Protocol == p.Protocol {
				out = append(out, own)
				break
			}
		}
	}
	return out
}

// merged returns the ports that the exports of a service have together, and the conflicts
// over them.
func merged(exports []Export) ([]federation.Port, []string) {
	plain := make([]federation.Export, len(exports))
	for i, e := range exports {
		plain[i] = e.Export
	}
	all := clusterset.Merge(plain)
	var conflicts []string
	for _, c := range all.Conflicts {
		conflicts = append(conflicts, c.String())
	}
	return all.Ports, conflicts
}

// Ports returns the merged ports of a service and the conflicts over them.
func (t *Table) Ports(service federation.Key) ([]federation.Port, []string) {
	return merged(t.Exports(service))
}
