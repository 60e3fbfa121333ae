package membership

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

var hours = flag.Float64("hours", 0.01, "virtual hours for which a fleet of 1,000 members loses beats")

// fleet is a thousand members that are well, each with its own phase.
type fleet struct {
	m     *Machine
	now   time.Time
	names []string
	phase []time.Duration
	seq   uint64
	count map[string]int // transitions by "From->To"
	beat  federation.Beat
	cut   map[string]bool // members to whom nothing gets through
}

func newFleet(n int) *fleet {
	f := &fleet{m: New(Options{}), now: start, count: map[string]int{}}
	regions := []string{"eu-central", "us-east", "ap-northeast", "sa-east", "af-south"}
	for i := range n {
		f.names = append(f.names, fmt.Sprintf("m%04d", i))
		f.phase = append(f.phase, time.Duration(i)*250*time.Millisecond/time.Duration(n))
		f.feed(MemberAdded{Spec: federation.MemberSpec{
			Name: f.names[i], Place: federation.Place{Region: regions[i%len(regions)]}, ProbeURL: "https://127.0.0.1:7501",
		}})
	}
	f.beat.Layers = federation.Layers{API: federation.Green, Etcd: federation.Green, Ingress: federation.Green, Nodes: 5, NodesReady: 5}
	f.beat.HubAge = 100 * time.Millisecond
	return f
}

// feed answers every probe at once: well, unless the member is cut off.
func (f *fleet) feed(ev Event) {
	for _, e := range f.m.Step(f.now, ev) {
		switch e := e.(type) {
		case Transition:
			f.count[fmt.Sprintf("%v->%v", e.From, e.To)]++
		case AskProbe:
			signal := federation.Green
			if f.cut[e.Member] {
				signal = federation.Red
			}
			for _, v := range e.Vantages {
				f.feed(ProbeResult{Vantage: v, Reply: federation.ProbeReply{Member: e.Member, Signal: signal}})
			}
		}
	}
}

// round has each member beat once on each of paths; lost says which are lost.
func (f *fleet) round(paths int, lost func() bool) {
	f.seq++
	begin := f.now
	f.feed(HubBeatSent{Sequence: f.seq})
	f.beat.Sequence, f.beat.HubSequence, f.beat.Incarnation = f.seq, f.seq, 1
	for i, name := range f.names {
		f.now = begin.Add(f.phase[i])
		f.beat.Member = name
		if f.cut[name] {
			continue
		}
		if due, ok := f.m.Deadline(); ok && !due.After(f.now) {
			f.feed(Tick{})
		}
		for range paths {
			if !lost() {
				f.feed(BeatArrived{Beat: f.beat})
			}
		}
	}
	f.now = begin.Add(250 * time.Millisecond)
}

// TestLossAloneIsNoVerdict: a thousand members whose beats are lost at random,
// by one path, are suspected sometimes and never given up. A day: -hours=24.
func TestLossAloneIsNoVerdict(t *testing.T) {
	for _, loss := range []float64{0.01, 0.05, 0.20} {
		f := newFleet(1000)
		rng := rand.New(rand.NewPCG(7, 7))
		for range int(*hours * 3600 * 4) {
			f.round(1, func() bool { return rng.Float64() < loss })
		}
		if err := f.m.Check(); err != nil {
			t.Fatal(err)
		}
		if n := f.count["Suspect->Unreachable"]; n != 0 {
			t.Errorf("%.0f %% loss for %v h: %d verdicts", 100*loss, *hours, n)
		}
		if f.count["Joining->Healthy"] != 1000 {
			t.Errorf("%d members became healthy", f.count["Joining->Healthy"])
		}
		t.Logf("%.0f %% loss, %v h, 1,000 members: %d suspicions, 0 verdicts", 100*loss, *hours, f.count["Healthy->Suspect"])
	}
}

// BenchmarkThousandMembers is one second of 1,000 members that beat at 4 Hz on two
// paths. cpu-share is the part of one core that this takes in real time.
func BenchmarkThousandMembers(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := newFleet(1000)
	for range 400 {
		f.round(2, func() bool { return false })
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		for range 4 {
			f.round(2, func() bool { return false })
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "cpu-share")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
	runtime.KeepAlive(f)
}

// BenchmarkRegionCut is the verdict on fifty of a thousand members that fall
// together, from the first suspicion to the last transition.
func BenchmarkRegionCut(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := newFleet(1000)
		for range 20 {
			f.round(1, func() bool { return false })
		}
		b.StartTimer()
		f.cut = map[string]bool{}
		for i := 0; i < 250; i += 5 {
			f.cut[f.names[i]] = true
		}
		for range 8 {
			f.round(1, func() bool { return false })
		}
		if n := f.count["Suspect->Unreachable"]; n != 50 {
			b.Fatalf("%d verdicts", n)
		}
	}
}
