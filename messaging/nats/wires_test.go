package nats

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	wireSeed  = flag.Uint64("wireseed", 1, "the first seed of TestWires")
	wireSeeds = flag.Int("wireseeds", 1, "how many seeds TestWires runs")
)

// faultsOfSeed is how many faults one seed has, each of 1 to 8 s.
const faultsOfSeed = 10

// wires are the routes between the servers of a cluster, each of which goes through a
// proxy: of[i][j] is the one by which server i reaches server j.
type wires struct{ of [3][3]*proxy }

// startWired starts three servers whose routes go through proxies. They tell each other
// an address where nobody listens, or they would find ways around.
func startWired(t *testing.T) (world, *wires) {
	t.Helper()
	s, err := siteIn(t.TempDir())
	must(t, err)
	all, err := s.clustered()
	must(t, err)
	nowhere, err := freeAddresses(len(all))
	must(t, err)
	var x wires
	for i := range all {
		all[i].Cluster.advertise, all[i].Cluster.Routes = nowhere[i], nil
		for j := range all {
			if i == j {
				continue
			}
			p, err := newProxy("127.0.0.1:0", all[j].Cluster.Listen)
			must(t, err)
			t.Cleanup(p.close)
			x.of[i][j] = p
			all[i].Cluster.Routes = append(all[i].Cluster.Routes, p.address())
		}
	}
	w, stop, err := startTogether(s, all)
	t.Cleanup(stop)
	must(t, err)
	return w, &x
}

// each calls do with every wire between two servers and whether it leads from a to b.
func (x *wires) each(a, b int, do func(p *proxy, forth bool)) {
	do(x.of[a][b], true)
	do(x.of[b][a], false)
}

// fault is one fault of a schedule: between two servers, or of one with both others.
type fault struct {
	kind string
	a, b int
	last time.Duration
}

func (f fault) String() string {
	return fmt.Sprintf("%s between %d and %d for %v", f.kind, f.a, f.b, f.last)
}

// kinds of faults. Those named "alone" are of one server with both others.
var faultKinds = []string{"cut", "hold", "one way", "delay", "loss of connections", "cut alone", "hold alone", "one way alone"}

// schedule draws faults; equal seeds draw equal ones.
func schedule(seed uint64) []fault {
	rng := rand.New(rand.NewPCG(seed, 0))
	var out []fault
	for range faultsOfSeed {
		a := rng.IntN(3)
		out = append(out, fault{
			kind: faultKinds[rng.IntN(len(faultKinds))], a: a, b: (a + 1 + rng.IntN(2)) % 3,
			last: time.Second + time.Duration(rng.IntN(7000))*time.Millisecond,
		})
	}
	return out
}

// begin breaks the wires of a fault.
func (x *wires) begin(f fault) {
	kind, alone := strings.CutSuffix(f.kind, " alone")
	for other := range 3 {
		if other == f.a || !alone && other != f.b {
			continue
		}
		x.each(f.a, other, func(p *proxy, forth bool) { p.suffer(kind, forth) })
	}
}

// suffer breaks one wire; forth says that its near end is the server that has the fault.
func (p *proxy) suffer(kind string, forth bool) {
	switch kind {
	case "cut":
		p.cut()
	case "hold":
		p.up.hold(true)
		p.down.hold(true)
	case "one way":
		p.up.hold(forth)
		p.down.hold(!forth)
	case "delay":
		p.up.slow(50 * time.Millisecond)
		p.down.slow(50 * time.Millisecond)
	case "loss of connections":
		p.reset()
	}
}

func (x *wires) mend() {
	for i := range x.of {
		for _, p := range x.of[i] {
			if p != nil {
				p.mend()
			}
		}
	}
}

// TestWires breaks the network between three servers at random, under load.
func TestWires(t *testing.T) {
	for i := range *wireSeeds {
		seed := *wireSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { brokenWires(t, seed) })
	}
}

func brokenWires(t *testing.T, seed uint64) {
	w, x := startWired(t)
	t.Logf("again with: -wireseed=%d -wireseeds=1", seed)
	hub := w.dialHub(t)
	turn := 0
	l := startLoad(t, func() (*Conn, error) { // each at one server first, so that all have clients
		turn++
		return w.connect(HubRole, []string{w.urls[turn%3]})
	})
	for _, f := range schedule(seed) {
		if !l.more(50, 30*time.Second) {
			t.Fatalf("nothing is written before %v: %v", f, l.faults)
		}
		written := l.acknowledged.Load()
		broke := time.Now()
		x.begin(f)
		<-time.After(f.last)
		during := l.acknowledged.Load() - written
		x.mend()
		began := time.Now()
		l.broken = append(l.broken, span{broke, began}) // read when the load has ended
		if !l.more(50, 30*time.Second) {
			t.Fatalf("nothing is written after %v: %v", f, l.faults)
		}
		t.Logf("%v, until %s: %d writes; 50 more %v after it", f, began.Format("15:04:05.000"), during, time.Since(began).Round(time.Millisecond))
	}
	hub.awaitWhole(t)
	l.check(t, hub)
}

// TestSchedule: a seed is a schedule, and schedules have faults of every kind.
func TestSchedule(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(20) {
		if one, two := fmt.Sprint(schedule(seed)), fmt.Sprint(schedule(seed)); one != two {
			t.Errorf("seed %d is %s and %s", seed, one, two)
		}
		for _, f := range schedule(seed) {
			seen[f.kind] = true
			if f.a == f.b || f.a > 2 || f.b > 2 || f.last < time.Second {
				t.Errorf("seed %d has %v", seed, f)
			}
		}
	}
	if len(seen) != len(faultKinds) {
		t.Errorf("only %v", seen)
	}
}
