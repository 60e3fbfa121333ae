package decision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

// ring is a hub that knows members with ports, one in each region, all well.
type ring struct {
	*Machine
	t *testing.T
}

func newRing(t *testing.T, term uint64, names ...string) ring {
	r := ring{New(Options{Term: term}), t}
	for _, name := range names {
		r.add(name)
	}
	return r
}

func (r ring) add(name string) {
	mem := &member{name: name, verdict: federation.HealthRecord{Member: name, Health: federation.Healthy}}
	mem.spec.load(federation.MemberSpec{Name: name, AgentAt: name + ":1", Place: federation.Place{Region: "in " + name}}, 1)
	r.members[name] = mem
}

// renews has a member say which version it has, stores what the hub makes of it, and wants
// the record to read so.
func (r ring) renews(name string, version uint64, want string) {
	r.t.Helper()
	mem := r.members[name]
	r.out = nil
	r.inPeers(mem, version)
	for _, e := range r.out {
		mem.spec = record[federation.MemberSpec]{}
		mem.spec.load(e.(PutMember).Spec, 2)
	}
	p := mem.spec.stored.Peers
	if got := fmt.Sprintf("%d %s certain %s", p.Version, strings.Join(p.Names, " "), strings.Join(p.Certain(), " ")); got != want {
		r.t.Errorf("after %s said %d: %s; want %s", name, version, got, want)
	}
}

// TestNamedPeers: the record never counts on a peer that the member may not ask.
func TestNamedPeers(t *testing.T) {
	r := newRing(t, 7, "a", "b", "c")
	r.renews("a", 0, "8 b c certain b c") // it asks both, or nobody
	r.renews("a", 0, "8 b c certain b c")
	r.renews("a", 8, "8 b c certain b c")
	r.add("d")
	r.renews("a", 8, "9 b c d certain b c")
	r.renews("a", 8, "9 b c d certain b c") // it has not heard
	r.members["c"].verdict.Health = federation.Unreachable
	r.renews("a", 8, "10 b d certain b")
	r.renews("a", 9, "10 b d certain b")
	r.renews("a", 10, "10 b d certain b d")
	r.members["b"].verdict.Health, r.members["d"].verdict.Health = federation.Unreachable, federation.Unreachable
	r.renews("a", 10, "10 b d certain b d") // nobody else can serve
	r.members["c"].verdict.Health = federation.Healthy
	r.renews("a", 10, "11 c certain ")
	r.renews("a", 11, "11 c certain c")
	r.renews("a", 40, "41 c certain ") // the store has forgotten what it was told
	r.renews("a", 41, "41 c certain c")

	alone := newRing(t, 7, "a")
	alone.renews("a", 0, "0  certain ")
	many := newRing(t, 7, "a", "b", "c", "d", "e", "f", "g", "h")
	many.renews("a", 0, "8 b c d e f certain b c d e f")
}

// TestAttestedHolds: a member may hold what has run out here, unless one that it asks for
// certain was in contact for long enough, or it asks nobody.
func TestAttestedHolds(t *testing.T) {
	r := newRing(t, 7, "a", "b", "c")
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	attested := func(want string) {
		t.Helper()
		if got := r.attested("a"); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	hear := func(name string, from, to time.Duration) {
		for at := from; at <= to; at += time.Second {
			r.members[name].contact.Echoed(start.Add(at), start.Add(at))
		}
		r.now = start.Add(to)
	}
	attested("")
	r.renews("a", 0, "8 b c certain b c")
	attested("none of which this hub has heard for long enough")
	hear("c", 0, 15*time.Second)
	attested("a: by the word of its peers (b, c)")
	hear("c", 16*time.Second, 16*time.Second)
	attested("")
	r.now = start.Add(16*time.Second + lease.SilentFor)
	attested("a: by the word of its peers (b, c)") // c may have attested again

	old := r.members["a"].spec.stored.Peers
	r.opts.Term = 1<<32 + 3 // the store was put back, so whom it asks is not known
	hear("c", 21*time.Second, 40*time.Second)
	attested("a: by the word of b")
	hear("b", 21*time.Second, 40*time.Second)
	attested("")
	if !r.rewoundPeers(old) {
		t.Error("peers of before the restore count")
	}
	delete(r.members, "a") // whom one asked that left is not known either
	attested("")
}
