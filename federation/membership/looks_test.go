package membership

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// announced returns a machine of n members in so many regions, which beat, are Healthy,
// and have an ingress each.
func announced(t *testing.T, n, regions int) *Machine {
	t.Helper()
	m := New(Options{ProbeEvery: -1})
	for i := range n {
		spec := federation.MemberSpec{Name: fmt.Sprintf("member-%d", i), Place: federation.Place{Region: fmt.Sprintf("region-%d", i%regions)}}
		m.Step(start, MemberAdded{Spec: spec})
		m.Step(start, Restored{Record: federation.HealthRecord{Member: spec.Name, Health: federation.Healthy, Ingress: "tcp://" + spec.Name + ":80"}})
	}
	return m
}

// TestLooks: each ingress is looked at by min(5, n−2) others, of two other failure domains
// where there are two, and nobody has much more to do than the others.
func TestLooks(t *testing.T) {
	for _, c := range []struct{ members, regions, want, most int }{
		{1, 1, 0, 0}, {2, 2, 1, 1}, {3, 3, 2, 2}, {4, 4, 2, 4}, {6, 3, 4, 6}, {100, 3, 5, 12}, {1000, 30, 5, 12}, {1000, 1, 5, 5},
	} {
		m := announced(t, c.members, c.regions)
		of := map[string][]string{}
		for observer, looks := range m.Looks() {
			if len(looks) > c.most {
				t.Errorf("%v: %s looks at %d others", c, observer, len(looks))
			}
			for _, l := range looks {
				of[l.Member] = append(of[l.Member], observer)
				if l.Member == observer || l.IngressAt != "tcp://"+l.Member+":80" {
					t.Errorf("%v: %s looks at %v", c, observer, l)
				}
			}
		}
		for _, name := range m.names {
			domains := map[string]bool{}
			for _, o := range of[name] {
				domains[m.members[o].domain()] = true
			}
			delete(domains, m.members[name].domain())
			if len(of[name]) != c.want || len(domains) < min(2, c.want, c.regions-1) {
				t.Errorf("%v: %s is looked at by %v", c, name, of[name])
			}
		}
	}
}

// TestLooksFarDomain: the second failure domain is found although all neighbours are of
// the first.
func TestLooksFarDomain(t *testing.T) {
	m := announced(t, 500, 1)
	for _, name := range []string{"far-a", "far-b"} {
		m.Step(start, MemberAdded{Spec: federation.MemberSpec{Name: name, Place: federation.Place{Region: name}}})
		m.Step(start, Restored{Record: federation.HealthRecord{Member: name, Health: federation.Healthy}})
	}
	for _, name := range m.names[:500] {
		got := m.lookout().of[name]
		if m.members[name].record.Ingress != "" && (len(got) != 5 || got[0] != "far-a" || got[1] != "far-b") {
			t.Fatalf("%s is looked at by %v", name, got)
		}
	}
}

// TestLooksStay: when one member falls, nobody is looked at by others but those that it
// looked at.
func TestLooksStay(t *testing.T) {
	m := announced(t, 200, 200)
	before := m.lookout()
	m.Step(start, Goodbye{Member: "member-7", Incarnation: 1})
	after := m.lookout()
	changed := 0
	for name, was := range before.of {
		if fmt.Sprint(was) != fmt.Sprint(after.of[name]) {
			changed++
		}
	}
	if len(after.by["member-7"]) != 0 || changed != len(before.by["member-7"]) || changed == 0 {
		t.Errorf("%d are looked at by others, and it looked at %v", changed, before.by["member-7"])
	}
}

// TestHostilePlace: what a member says of its ingress changes nothing but its own line, and
// not faster than it can be looked at.
func TestHostilePlace(t *testing.T) {
	m := announced(t, 4, 4)
	now, sequence, last, moves := start, uint64(0), "", 0
	say := func(at string) string {
		now, sequence = now.Add(10*time.Millisecond), sequence+1
		for _, e := range m.Step(now, BeatArrived{Beat: federation.Beat{Member: "member-1", Incarnation: 1, Sequence: sequence, IngressAt: at, Peers: []federation.PeerObservation{
			{Member: "member-1", Ingress: federation.Green}, {Member: "nobody", Ingress: federation.Red}, {Member: "member-2", Ingress: federation.Red, Detail: strings.Repeat("x", 10_000)},
		}}}) {
			if u, is := e.(Updated); is && u.Record.Member == "member-1" && u.Record.Ingress != last {
				last = u.Record.Ingress
				moves++
			}
		}
		return m.members["member-1"].record.Ingress
	}
	if got := say("tcp://10.0.0.1:80\x1b[2J"); got != "" {
		t.Errorf("it is %q", got)
	}
	for n := range 1000 { // for ten seconds
		say(fmt.Sprintf("tcp://10.0.0.1:%d", n))
	}
	if moves < 2 || moves > 6 {
		t.Errorf("it moved %d times", moves)
	}
	now = now.Add(moving)
	if got := say("tcp://" + strings.Repeat("x", longestPlace)); got != "" {
		t.Errorf("it is %q", got)
	}
	s := m.members["member-2"].ingress["member-1"]
	if s.signal != federation.Absent || len(s.detail) > 2*longestDetail || len(m.members["member-1"].ingress) != 0 {
		t.Errorf("it is believed: %v, %v", s, m.members["member-1"].ingress)
	}
}

// BenchmarkLooks: who looks at whom among 1,000 members, after one of them changed.
func BenchmarkLooks(b *testing.B) {
	m := announced(&testing.T{}, 1000, 30)
	for b.Loop() {
		m.looks = nil
		m.Looks()
	}
}
