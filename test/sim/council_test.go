package sim

import (
	"fmt"
	"testing"
	"time"
)

// TestLeaderAndMemberTogether kills the leading hub of three and a member in the same
// instant, at any phase of their beats: the gateway answers without the member within the
// time of a verdict, before another hub leads, and never with it again until it is back.
func TestLeaderAndMemberTogether(t *testing.T) {
	var slowest time.Duration
	for seed := range uint64(100) {
		s := NewScript(seed, Hooks{})
		run := func(format string, args ...any) {
			if err := s.Run(fmt.Sprintf(format, args...)); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, s.World.Take())
			}
		}
		for _, line := range []string{
			"hub h1", "hub h2", "hub h3", "gateway g1", "member m1 region=eu-central", "member m2 region=us-east",
			"member m3 region=ap-northeast", "member m4 region=us-west", "workload shop/web replicas=8 dwell=0s", "settle",
		} {
			run("%s", line)
		}
		run("advance %dms", 7*seed)
		run("kill %s", s.World.leading())
		run("kill m1")
		s.World.Take()
		began := s.World.Elapsed()
		run("advance 15s")
		text := s.World.Take()
		withdrawn, at := said(t, text, `g1: withdrawn`)
		if len(withdrawn) != 1 {
			t.Fatalf("seed %d: withdrawn %q\n%s", seed, withdrawn, text)
		}
		_, led := said(t, text, `leads, term`)
		if len(led) != 1 || led[0] < at[0] {
			t.Errorf("seed %d: the next leader was there before: nothing is shown\n%s", seed, text)
		}
		if moved, _ := said(t, text, `shop/web epoch`); len(moved) != 1 {
			t.Errorf("seed %d: decisions %q", seed, moved)
		}
		slowest = max(slowest, at[0]-began)
		for _, line := range []string{"recover", "advance 10s", "promises"} {
			run("%s", line)
		}
	}
	if slowest > 2200*time.Millisecond {
		t.Errorf("the slowest withdrawal took %v", slowest)
	}
	t.Logf("the slowest withdrawal took %v", slowest)
}
