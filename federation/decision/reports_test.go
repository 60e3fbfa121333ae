package decision

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestReports: what is late or double is no news; the counters of the next agent of a
// name begin anew; what could not be stored is news when it comes again.
func TestReports(t *testing.T) {
	first := federation.MemberSpec{Name: "tokyo", ClusterID: "a", JoinedAt: epochStart}
	rejoined, other := first, first
	rejoined.JoinedAt = epochStart.Add(time.Hour)
	other.ClusterID = "b"
	low, high := Order{Incarnation: 1, Sequence: 9}, Order{Incarnation: 2, Sequence: 1}
	for name, c := range map[string]struct {
		before func(r *Reports)
		report Order
		news   bool
	}{
		"newer":                           {func(*Reports) {}, Order{Incarnation: 2, Sequence: 2}, true},
		"double":                          {func(*Reports) {}, high, false},
		"late":                            {func(*Reports) {}, low, false},
		"its record was written again":    {func(r *Reports) { r.Joined(first) }, low, false},
		"it lost its disk":                {func(r *Reports) { r.Joined(rejoined) }, low, true},
		"another cluster":                 {func(r *Reports) { r.Joined(other) }, low, true},
		"it left, and another has joined": {func(r *Reports) { r.Left("tokyo"); r.Joined(other) }, low, true},
		"not stored":                      {func(r *Reports) { r.Retract("tokyo", "facts", high) }, high, true},
		"an older one was not stored":     {func(r *Reports) { r.Retract("tokyo", "facts", low) }, high, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r Reports
			r.Joined(first)
			r.Admit("tokyo", "facts", high)
			c.before(&r)
			if got := r.Admit("tokyo", "facts", c.report); got != c.news {
				t.Errorf("admitted: %v", got)
			}
		})
	}
}

// TestReportsRefuse: nothing is stored of who is no member, or is being removed.
func TestReportsRefuse(t *testing.T) {
	var r Reports
	spec := federation.MemberSpec{Name: "tokyo", ClusterID: "a", JoinedAt: epochStart}
	for i, step := range []struct {
		do      func()
		refuses bool
	}{
		{func() {}, true},
		{func() { r.Joined(spec) }, false},
		{func() { r.Leaves("tokyo", true) }, true},
		{func() { r.Leaves("tokyo", false) }, false},
		{func() { r.Left("tokyo") }, true},
	} {
		if step.do(); r.Refuses("tokyo") != step.refuses {
			t.Errorf("step %d: refuses %v", i, !step.refuses)
		}
	}
}
