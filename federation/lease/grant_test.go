package lease

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

var web = federation.Key{Namespace: "shop", Name: "web"}

func claim(member string, epoch federation.Epoch) Claim {
	return Claim{Workload: web, Member: member, Epoch: epoch}
}

func TestTimes(t *testing.T) {
	if got := StopAt(start, TTL(Fast)).Sub(start); got != 9850*time.Millisecond {
		t.Errorf("a holder stops after %v", got)
	}
	if got := FreeAt(start, TTL(Fast)).Sub(start); got != 15650*time.Millisecond {
		t.Errorf("another may start after %v", got)
	}
}

func TestGrants(t *testing.T) {
	var g Grants
	granted := func(at time.Duration, c, assigned Claim, want bool) {
		t.Helper()
		answer, ok := g.Renew(after(at), c, assigned, TTL(Fast))
		if ok != want || ok != (answer.Denied == "") || ok != (answer.TTL == TTL(Fast)) {
			t.Errorf("at %v %v: %v %+v, want %v", at, c, ok, answer, want)
		}
	}
	eu1, eu2, us2 := claim("eu", 1), claim("eu", 2), claim("us", 2)
	granted(0, eu1, eu1, true)
	granted(0, claim("us", 1), eu1, false)
	granted(3*time.Second, eu1, eu1, true)
	granted(4*time.Second, us2, us2, false)
	granted(4*time.Second, eu1, us2, false)
	granted(18649*time.Millisecond, us2, us2, false)
	granted(18650*time.Millisecond, us2, us2, true)
	g.Prove(eu1)
	granted(20*time.Second, eu2, eu2, false)
	g.Prove(us2)
	granted(20*time.Second, eu2, eu2, true)
	if who, free, ok := g.Holder(web); !ok || who != "eu" || !free.Equal(after(20*time.Second+15650*time.Millisecond)) {
		t.Errorf("free at %v, %v", free, ok)
	}
	g.Forget(web)
	if _, _, ok := g.Holder(web); ok {
		t.Error("held after Forget")
	}
	g.Assume(after(time.Minute), Claim{Workload: web}, TTL(Fast))
	granted(61*time.Second, eu2, eu2, false)
	granted(76*time.Second, eu2, eu2, true)
}

// TestClasses: a Balanced lease lasts longer, and a Manual one until it is proven
// that the holder has stopped, or that it is denied.
func TestClasses(t *testing.T) {
	var g Grants
	eu1, us2 := claim("eu", 1), claim("us", 2)
	if _, ok := g.Renew(start, eu1, eu1, TTL(Balanced)); !ok {
		t.Fatal("the first is denied")
	}
	if _, ok := g.Renew(after(91*time.Second), us2, us2, TTL(Balanced)); ok {
		t.Error("granted to another before the end of a Balanced lease by any clock")
	}
	if _, ok := g.Renew(after(92*time.Second), us2, us2, TTL(Manual)); !ok {
		t.Error("denied after its end")
	}
	eu3 := claim("eu", 3)
	answer, ok := g.Renew(after(1000*time.Hour), eu3, eu3, TTL(Manual))
	if want := "shop/web may still run in us until that is fenced: hansa fence member=NAME"; ok || answer.Denied != want {
		t.Errorf("got %v %q, want %q", ok, answer.Denied, want)
	}
	g.Prove(us2)
	if _, ok := g.Renew(after(1000*time.Hour), eu3, eu3, TTL(Manual)); !ok {
		t.Error("denied after the proof")
	}
	var h Hold
	h.Answered(start, federation.Grant{TTL: TTL(Manual)})
	if !h.Endless() || !h.MayRun(after(10000*time.Hour)) || h.RenewEvery() != 3*time.Second {
		t.Errorf("a Manual hold: %v, asks every %v", h.StopAt(), h.RenewEvery())
	}
	h.Answered(after(time.Hour), federation.Grant{Denied: "fenced"})
	if h.MayRun(after(time.Hour)) || h.Endless() {
		t.Error("runs although denied")
	}
	if h.Answered(start, federation.Grant{TTL: TTL(Balanced)}); h.RenewEvery() != 3*time.Second {
		t.Errorf("an answer out of order counts: %v", h.RenewEvery())
	}
}

// TestOrphan: who had the grants of a member that was forgotten may run on until they end;
// the next member of its name is another.
func TestOrphan(t *testing.T) {
	var g Grants
	eu1, us1, eu2 := claim("eu", 1), claim("us", 1), claim("eu", 2)
	g.Renew(start, eu1, eu1, TTL(Fast))
	g.Orphan("us")
	if _, ok := g.Renew(after(time.Second), eu1, eu1, TTL(Fast)); !ok {
		t.Error("denied, although another left")
	}
	g.Orphan("eu")
	for _, c := range []Claim{eu2, us1} {
		answer, ok := g.Renew(after(16*time.Second), c, c, TTL(Fast))
		if want := "shop/web may still run in another member for 700ms"; ok || answer.Denied != want {
			t.Errorf("%v: got %v %q, want %q", c, ok, answer.Denied, want)
		}
	}
	if _, ok := g.Renew(after(17*time.Second), eu2, eu2, TTL(Fast)); !ok {
		t.Error("denied after its end")
	}
}

func TestHold(t *testing.T) {
	var h Hold
	if h.MayRun(start) {
		t.Error("the zero Hold may run")
	}
	h.Answered(after(3*time.Second), federation.Grant{TTL: TTL(Fast)})
	h.Answered(start, federation.Grant{Denied: "late"})
	if !h.MayRun(after(12849*time.Millisecond)) || h.MayRun(after(12850*time.Millisecond)) {
		t.Errorf("stops at %v", h.StopAt().Sub(start))
	}
	h.Answered(after(4*time.Second), federation.Grant{Denied: "no longer yours"})
	if h.MayRun(after(5 * time.Second)) {
		t.Error("runs although denied")
	}
}

// runner is a member with a clock of its own rate whose pod needs up to StopTime
// to stop.
type runner struct {
	name  string
	hold  Hold
	ends  time.Time // real time at which its pod has stopped at the latest
	rate  float64
	asked []request
}

type request struct {
	sent time.Time // by the member's clock
	at   time.Time // when the hub has it
	back time.Time // when the answer is here
	c    Claim
}

func (r *runner) clock(at time.Time) time.Time {
	return start.Add(time.Duration(float64(at.Sub(start)) * r.rate))
}

// runs reports whether the pod may be running at the real time now. It looks
// once a tick, so what it sees is at most a tick late.
func (r *runner) runs(now time.Time) bool {
	if r.hold.MayRun(r.clock(now)) {
		r.ends = now.Add(StopTime - tick)
	}
	return now.Before(r.ends)
}

const tick = 100 * time.Millisecond

// TestNeverTwice: two members, clocks that run one part in a hundred unequally,
// any delays and losses, a hub that changes its mind and restarts: the workload
// never runs twice, unless the hub took a member's word that was a lie.
func TestNeverTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := []*runner{{name: "eu"}, {name: "us"}}
		for _, r := range members {
			r.rate = rapid.SampledFrom([]float64{0.99, 1, 1.01}).Draw(t, "rate")
		}
		var g Grants
		assigned := claim("eu", 1)
		now := start
		for range 600 {
			now = now.Add(tick)
			switch rapid.IntRange(0, 200).Draw(t, "fault") {
			case 0, 1, 2:
				assigned = claim(rapid.SampledFrom([]string{"eu", "us"}).Draw(t, "to"), assigned.Epoch+1)
			case 3:
				g = Grants{}
				g.Assume(now, Claim{Workload: web}, TTL(Fast))
			}
			for _, r := range members {
				deliver(t, r, &g, assigned, now)
			}
			if members[0].runs(now) && members[1].runs(now) {
				t.Fatalf("both run at %v: %s", now.Sub(start), fmt.Sprint(members[0].hold, members[1].hold))
			}
		}
	})
}

// deliver lets the member ask now and then, the hub answer what has arrived, and
// the member take what is back.
func deliver(t *rapid.T, r *runner, g *Grants, assigned Claim, now time.Time) {
	if rapid.IntRange(0, 15).Draw(t, "ask") == 0 {
		delay := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 80).Draw(t, name)) * tick
		}
		at := now.Add(delay("there"))
		r.asked = append(r.asked, request{sent: r.clock(now), at: at, back: at.Add(delay("back")), c: claim(r.name, assigned.Epoch)})
	}
	var left []request
	for _, q := range r.asked {
		if q.at.Equal(now) {
			answer, _ := g.Renew(now, q.c, assigned, TTL(Fast))
			if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				continue
			}
			q.c = Claim{}
			if answer.Denied == "" {
				q.c.Member = "granted"
			}
		}
		switch {
		case q.back.After(now):
			left = append(left, q)
		case q.c.Member == "granted":
			r.hold.Answered(q.sent, federation.Grant{TTL: TTL(Fast)})
		case q.c == Claim{}:
			r.hold.Answered(q.sent, federation.Grant{Denied: "no"})
		}
	}
	r.asked = left
}
