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
		r := newRig(b)
		r.clock = &stopwatch{}
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprintf("m%04d=eu-central", i)
		}
		r.cmdMembers(names)
		r.advance(10 * time.Second)
		join.all += r.clock.all
		*r.clock = stopwatch{}
		r.advance(span)
		idle.all += r.clock.all
	}
	b.ReportMetric(float64(join.all.Milliseconds())/float64(b.N), "join-ms")
	b.ReportMetric(idle.all.Seconds()/float64(b.N)/span.Seconds(), "cpu-share")
}
