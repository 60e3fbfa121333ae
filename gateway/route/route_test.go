package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	web   = federation.Key{Namespace: "shop", Name: "web"}
)

func export(member string, addresses ...string) federation.Export {
	e := federation.Export{
		Member: member, Incarnation: 1, Service: web, Type: "ClusterSetIP",
		Ports:      []federation.Port{{Name: "http", Protocol: "TCP", Port: 80, Target: 8080}},
		ExportedAt: start, ObservedAt: start,
	}
	for _, a := range addresses {
		e.Endpoints = append(e.Endpoints, federation.Endpoint{Address: a, Ready: true, Serving: true})
	}
	return e
}

// world has three members in three regions, two endpoints each.
func world() *Builder {
	b := NewBuilder()
	beat := federation.HubBeat{Term: 1, Sequence: 1}
	for i, m := range []struct{ name, region string }{{"frankfurt", "eu-central"}, {"tokyo", "ap-northeast"}, {"virginia", "us-east"}} {
		b.SetMember(federation.MemberSpec{Name: m.name, Place: catalogue.Resolve(federation.Place{Region: m.region})}, 1)
		b.SetExport(export(m.name, fmt.Sprintf("10.%d.0.1", i), fmt.Sprintf("10.%d.0.2", i)), start)
		beat.Members = append(beat.Members, federation.MemberBeat{Member: m.name, Health: federation.Healthy, Incarnation: 1})
	}
	b.SetBeat(beat, start)
	b.SetSynced(true)
	return b
}

func place(t testing.TB, name string) federation.Place {
	t.Helper()
	p, err := catalogue.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// show writes an answer as "region[address:port state …] …".
func show(a Answer) string {
	var tiers []string
	for _, t := range a.Tiers {
		var eps []string
		for _, e := range t.Endpoints {
			eps = append(eps, fmt.Sprintf("%s:%d %s", e.Address, e.Port, e.State))
		}
		tiers = append(tiers, t.Region+"["+strings.Join(eps, ", ")+"]")
	}
	return strings.Join(tiers, " ")
}

func (b *Builder) beatOne(member string, seq uint64, change func(*federation.MemberBeat), now time.Time) bool {
	line := b.next.Members[member].Beat
	line.Member = member
	change(&line)
	return b.SetBeat(federation.HubBeat{Term: 1, Sequence: seq, Members: []federation.MemberBeat{line}}, now)
}

func TestNearestFirst(t *testing.T) {
	table := world().Table()
	for from, want := range map[string]string{
		"osaka":  "ap-northeast us-east eu-central",
		"paris":  "eu-central us-east ap-northeast",
		"boston": "us-east eu-central ap-northeast",
	} {
		var got []string
		for _, tier := range table.Rank(Query{Service: web, From: place(t, from), Now: start}).Tiers {
			got = append(got, tier.Region)
		}
		if from == "osaka" && len(got) == 3 {
			got = got[:1] // the order of the far ones is the estimate's business
			want = "ap-northeast"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("from %s: got %v, want %s", from, got, want)
		}
	}
}

func TestWithdrawnLeaves(t *testing.T) {
	b := world()
	before := b.Table()
	if !b.beatOne("frankfurt", 2, func(m *federation.MemberBeat) { m.Withdrawn, m.Health = true, federation.Unreachable }, start) {
		t.Error("a withdrawal changed nothing")
	}
	after := b.Table()
	q := Query{Service: web, From: place(t, "paris"), Now: start}
	if got := show(after.Rank(q)); strings.Contains(got, "eu-central") || !strings.Contains(got, "us-east") {
		t.Errorf("after the withdrawal: %s", got)
	}
	if got := show(before.Rank(q)); !strings.HasPrefix(got, "eu-central[") {
		t.Errorf("the table from before has changed: %s", got)
	}
	if fmt.Sprint(after.Withdrawn) != "[frankfurt]" {
		t.Errorf("withdrawn: %v", after.Withdrawn)
	}
	if !strings.Contains(strings.Join(after.Rank(q).Explanation, "\n"), "frankfurt: not answered: withdrawn: Unreachable") {
		t.Errorf("explanation: %q", after.Rank(q).Explanation)
	}
}

func TestOldBeatsChangeNothing(t *testing.T) {
	b := world()
	withdraw := func(m *federation.MemberBeat) { m.Withdrawn = true }
	if b.beatOne("tokyo", 1, withdraw, start) {
		t.Error("a beat that was heard already was taken")
	}
	b.SetBeat(federation.HubBeat{Term: 3, Sequence: 1}, start)
	if b.SetBeat(federation.HubBeat{Term: 2, Sequence: 99, Members: []federation.MemberBeat{{Member: "tokyo", Withdrawn: true}}}, start) {
		t.Error("a beat of an earlier term was taken")
	}
	if len(b.Table().Withdrawn) != 0 {
		t.Error("tokyo is withdrawn")
	}
}

func TestStates(t *testing.T) {
	b := world()
	q := Query{Service: web, From: place(t, "osaka"), Now: start}
	first := func(now time.Time) Endpoint {
		q.Now = now
		return b.Table().Rank(q).Tiers[0].Endpoints[0]
	}
	if e := first(start.Add(time.Second)); e.State != Fresh || e.Age != time.Second {
		t.Errorf("after a second: %+v", e)
	}
	if e := first(start.Add(5 * time.Second)); e.State != Stale || e.Age != 5*time.Second {
		t.Errorf("hub silent: %+v", e)
	}
	b.beatOne("tokyo", 2, func(m *federation.MemberBeat) { m.Health, m.HeardAge = federation.Suspect, 1200*time.Millisecond }, start.Add(5*time.Second))
	if e := first(start.Add(5 * time.Second)); e.State != Suspect || e.Age != 1200*time.Millisecond {
		t.Errorf("suspect: %+v", e)
	}
}

// TestRestartedAgent: what an earlier life of the agent exported is not answered.
func TestRestartedAgent(t *testing.T) {
	b := world()
	b.beatOne("tokyo", 2, func(m *federation.MemberBeat) { m.Incarnation = 2 }, start)
	q := Query{Service: web, From: place(t, "osaka"), Now: start}
	if got := show(b.Table().Rank(q)); strings.Contains(got, "ap-northeast") {
		t.Errorf("got %s", got)
	}
	again := export("tokyo", "10.1.0.9")
	again.Incarnation = 2
	b.SetExport(again, start)
	if got := show(b.Table().Rank(q)); !strings.HasPrefix(got, "ap-northeast[10.1.0.9:8080 fresh]") {
		t.Errorf("got %s", got)
	}
}

func TestOnlyReadyAndLastDraining(t *testing.T) {
	b := world()
	b.RemoveMember("tokyo")
	b.RemoveMember("virginia")
	e := export("frankfurt", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	e.Endpoints[0].Ready, e.Endpoints[0].Serving = false, false
	e.Endpoints[1].Terminating = true
	b.SetExport(e, start)
	q := Query{Service: web, Now: start}
	if got := show(b.Table().Rank(q)); got != "eu-central[10.0.0.3:8080 fresh]" {
		t.Errorf("got %s", got)
	}
	e.Endpoints = e.Endpoints[:2]
	b.SetExport(e, start)
	if got := show(b.Table().Rank(q)); got != "eu-central[10.0.0.2:8080 draining]" {
		t.Errorf("got %s", got)
	}
}

func TestPortsOldestWins(t *testing.T) {
	b := world()
	young := export("tokyo", "10.1.0.1")
	young.ExportedAt = start.Add(time.Hour)
	young.Ports = []federation.Port{{Name: "http", Protocol: "TCP", Port: 81, Target: 9090}, {Name: "admin", Protocol: "TCP", Port: 90, Target: 9}}
	b.SetExport(young, start)
	table := b.Table()
	ports, conflicts := table.Ports(web)
	if len(ports) != 2 || ports[0].Port != 80 || ports[1].Name != "admin" {
		t.Errorf("ports: %+v", ports)
	}
	if fmt.Sprint(conflicts) != "[tokyo: port http 81 differs from the older http 80]" {
		t.Errorf("conflicts: %v", conflicts)
	}
	got := show(table.Rank(Query{Service: web, Port: "80", From: place(t, "osaka"), Now: start}))
	if !strings.HasPrefix(got, "ap-northeast[10.1.0.1:9090 fresh]") {
		t.Errorf("a member's own target port: %s", got)
	}
}

// BenchmarkOneExportOfMany is one changed export and a new table, with 1,000
// services in each of 100 members.
func BenchmarkOneExportOfMany(b *testing.B) {
	builder := NewBuilder()
	for m := range 100 {
		for s := range 1000 {
			e := export(fmt.Sprintf("m%d", m), "10.0.0.1")
			e.Service.Name = fmt.Sprintf("s%d", s)
			builder.SetExport(e, start)
		}
	}
	builder.Table()
	for b.Loop() {
		builder.SetExport(export("m1", "10.0.0.2"), start)
		builder.Table()
	}
}
