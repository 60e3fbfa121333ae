package decision

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkFleet is what the hub's core does with 1,000 members, event by event, while
// they join and while nothing happens but beats.
//
//	join-ms    all steps while 1,000 members join and get Healthy
//	cpu-share  of one core, for their beats at 4 Hz
func BenchmarkFleet(b *testing.B) {
	const span = 10 * time.Second
	var join, idle stopwatch
	for b.Loop() {
		r := thousandMembers(b)
		join.all += r.clock.all
		*r.clock = stopwatch{}
		r.advance(span)
		idle.all += r.clock.all
	}
	b.ReportMetric(float64(join.all.Milliseconds())/float64(b.N), "join-ms")
	b.ReportMetric(idle.all.Seconds()/float64(b.N)/span.Seconds(), "cpu-share")
}

// BenchmarkEverywhere is what the hub's core does for 100 workloads of which each of
// 1,000 members has a copy: from the first of them until all are ready.
func BenchmarkEverywhere(b *testing.B) {
	var sum stopwatch
	for b.Loop() {
		r := thousandMembers(b)
		*r.clock, r.batched = stopwatch{}, true
		for n := range 100 {
			r.cmdWorkload([]string{fmt.Sprintf("load/w%d", n), "replicas=1", "cpu=1", "duplicated="})
		}
		r.advance(10 * time.Second)
		for _, w := range r.m.workloads {
			if len(w.record.stored.Members) != 1000 || !r.m.moved(w) {
				b.Fatalf("%s is not ready everywhere", w.key)
			}
		}
		sum.add(*r.clock)
	}
	sum.report(b)
}

// thousandMembers returns a measured rig in which all of them have joined and are Healthy.
func thousandMembers(b *testing.B) *rig {
	r := newRig(b)
	r.clock = &stopwatch{}
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("m%04d=eu-central", i)
	}
	r.cmdMembers(names)
	r.advance(10 * time.Second)
	return r
}

// stopwatch is how long the steps of a machine took.
type stopwatch struct {
	all, longest time.Duration
	steps        int
}

func (s *stopwatch) add(one stopwatch) {
	s.all += one.all
	s.steps += one.steps
	s.longest = max(s.longest, one.longest)
}

// report tells the sum of all runs of a benchmark, for each of them.
func (s *stopwatch) report(b *testing.B) {
	b.ReportMetric(float64(s.all.Milliseconds())/float64(b.N), "core-ms")
	b.ReportMetric(float64(s.steps)/float64(b.N), "steps")
	b.ReportMetric(float64(s.longest.Microseconds())/1000, "longest-ms")
}
