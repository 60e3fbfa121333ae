package decision

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// BenchmarkMassLoss is what the hub's core does, event by event, when a member falls that
// has a share of 1,000 workloads: the record, the decisions, the works, and following
// the reports until all are whole again. The figures are of the core's steps alone.
//
//	core-ms     all steps together
//	longest-ms  the longest step: for so long nobody is heard
func BenchmarkMassLoss(b *testing.B) {
	var sum stopwatch
	for b.Loop() {
		r := newRig(b)
		r.clock = &stopwatch{}
		r.cmdMembers([]string{"tokyo=ap-northeast", "frankfurt=eu-central", "virginia=us-east"})
		for name, a := range r.members {
			f := r.store["facts:"+name].value.(federation.MemberFacts)
			f.Allocatable = federation.Resources{MilliCPU: 1e7, MemoryBytes: 1 << 50, Pods: 1e5}
			r.put("facts:"+name, f)
			r.facts(a)
		}
		for n := range 1000 {
			r.cmdWorkload([]string{fmt.Sprintf("mass/w%d", n), "replicas=3", "cpu=1", "dwell=0s"})
		}
		r.advance(10 * time.Second)
		r.cmdKill([]string{"frankfurt"})
		*r.clock = stopwatch{}
		r.advance(10 * time.Second)
		moved := 0
		for _, w := range r.m.workloads {
			if len(w.record.stored.Members) == 2 && w.record.stored.Unmet == 0 {
				moved++
			}
		}
		if moved != 1000 {
			b.Fatalf("%d of 1,000 workloads moved", moved)
		}
		sum.add(*r.clock)
	}
	sum.report(b)
}
