package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// checkVerbs follows a return: web goes back to frankfurt only when asked, as far as
// the budget goes; traffic is shifted and comes back; a freeze is told to everybody.
func checkVerbs(t *testing.T, f federation) {
	if out, code := f.try(t, "hansa", "failover", "member=frankfurt", "--yes"); code != 1 || !strings.Contains(out, "nobody in member=frankfurt is lost") {
		t.Errorf("failover of a member that is well: exit %d\n%s", code, out)
	}
	if out := f.run(t, "hansa", "failback", "member=frankfurt", "--dry-run"); !strings.Contains(out, "shop/web") || f.shares(t, "shop/web")["frankfurt"] != 0 {
		t.Errorf("a dry run of the failback: %v\n%s", f.shares(t, "shop/web"), out)
	}
	if out := f.run(t, "hansa", "failback", "member=frankfurt", "--budget", "1", "--yes"); !strings.Contains(out, "PASS") {
		t.Errorf("failback within a budget of 1:\n%s", out)
	}
	if n := f.shares(t, "shop/web")["frankfurt"]; n != 0 {
		t.Errorf("a budget of 1 moved %d replicas of web", n)
	}
	if out := f.run(t, "hansa", "failback", "member=frankfurt", "--yes"); !strings.Contains(out, "PASS") {
		t.Errorf("failback:\n%s", out)
	}
	if shares := f.shares(t, "shop/web"); shares["frankfurt"] != 2 || shares["tokyo"] != 2 || shares["virginia"] != 2 {
		t.Errorf("after the failback web runs in %v", shares)
	}
	if got := f.deployed(t, "frankfurt", "web"); got != "2" {
		t.Errorf("kubectl sees %q ready in frankfurt, want 2", got)
	}
	checkShift(t, f)
	f.run(t, "hansa", "freeze", "--reason", "release day")
	f.await(t, 10*time.Second, func() string {
		if out := f.run(t, "hansa", "status"); !strings.Contains(out, "release day") {
			return "the status does not tell of the freeze:\n" + out
		}
		return ""
	})
	f.run(t, "hansa", "unfreeze")
	checkRotate(t, f)
}

// checkRotate replaces the credentials of a live agent, of which nobody else notices
// anything.
func checkRotate(t *testing.T, f federation) {
	before := f.run(t, "hansa", "get", "events", "tokyo")
	f.run(t, "hansa", "member", "rotate", "tokyo")
	f.await(t, 30*time.Second, func() string {
		out := f.run(t, "hansa", "get", "events", "tokyo")
		if strings.Count(out, "has new credentials") == strings.Count(before, "has new credentials") {
			return "tokyo has no new credentials:\n" + out
		}
		if strings.Count(out, "Suspect") != strings.Count(before, "Suspect") {
			t.Errorf("tokyo was suspected meanwhile:\n%s", out)
		}
		return ""
	})
}

// checkShift takes the traffic off tokyo and gives it back; nothing of web moves.
func checkShift(t *testing.T, f federation) {
	uid := f.webUID(t, "tokyo")
	if out := f.run(t, "hansa", "shift", "member=tokyo", "--yes"); !strings.Contains(out, "Held") {
		t.Errorf("shift:\n%s", out)
	}
	serving := func(want bool) func() string {
		return func() string {
			if n := f.resolve(t, "osaka").serving()["tokyo"]; n > 0 != want {
				return fmt.Sprintf("answers have %d endpoints of tokyo", n)
			}
			return ""
		}
	}
	f.await(t, 10*time.Second, serving(false))
	f.run(t, "hansa", "failback", "member=tokyo", "--yes")
	f.await(t, 10*time.Second, serving(true))
	if now := f.webUID(t, "tokyo"); now != uid {
		t.Errorf("the shift touched web in tokyo: it was %s and is %s", uid, now)
	}
}
