package decision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestToldAgain: a hub that finds no report at all hands nothing out that members tell it
// has come; after a while what nobody has told of, and at once what it decides itself.
func TestToldAgain(t *testing.T) {
	r := newRig(t)
	works := func() (out []string) {
		for _, line := range r.lines {
			if _, what, found := strings.Cut(line, " work "); found {
				out = append(out, what)
			}
		}
		r.lines = nil
		return out
	}
	do := func(line string) {
		cmd, args, _ := strings.Cut(line, " ")
		r.command(cmd, strings.Fields(args))
	}
	do("members tokyo=ap-northeast frankfurt=eu-central")
	do("workload shop/web replicas=4")
	do("workload shop/cart replicas=2")
	do("advance 3s")
	if got := works(); len(got) != 4 {
		t.Fatalf("handed out: %v", got)
	}
	for k := range r.store {
		if strings.HasPrefix(k, "status:") {
			delete(r.store, k)
		}
	}
	do("restart")
	do("advance 2s")
	for _, name := range []string{"frankfurt", "tokyo"} {
		a := r.members[name]
		r.report(a, federation.Key{Namespace: "shop", Name: "web"}, 1, federation.WorkReady, a.runs[federation.Key{Namespace: "shop", Name: "web"}])
	}
	do("workload shop/desk replicas=2")
	do("advance 2s")
	if got := works(); len(got) != 2 || !strings.HasPrefix(got[0], "shop/desk") || !strings.HasPrefix(got[1], "shop/desk") {
		t.Errorf("handed out while members tell: %v", got)
	}
	do("advance 8s")
	if got := works(); len(got) != 2 || !strings.HasPrefix(got[0], "shop/cart") || !strings.HasPrefix(got[1], "shop/cart") {
		t.Errorf("handed out after that: %v", got)
	}
}

// TestToldLate: a member that needs long to connect again, and then to tell, is handed
// nothing meanwhile; one that is not heard at all, in the end, what nobody has told of.
func TestToldLate(t *testing.T) {
	r := newRig(t)
	r.cmdMembers([]string{"tokyo=ap-northeast", "frankfurt=eu-central"})
	r.cmdWorkload([]string{"shop/web", "replicas=4"})
	r.cmdWorkload([]string{"shop/cart", "replicas=2"})
	r.advance(3 * time.Second)
	for k := range r.store {
		if strings.HasPrefix(k, "status:") {
			delete(r.store, k)
		}
	}
	tokyo, frankfurt := r.members["tokyo"], r.members["frankfurt"]
	tokyo.mute, frankfurt.mute = true, true
	r.boot()
	handed := func() (out []string) {
		for _, line := range r.lines {
			if _, what, found := strings.Cut(line, " work "); found {
				out = append(out, what)
			}
		}
		r.lines = nil
		return out
	}
	handed()
	r.advance(20 * time.Second)
	tokyo.mute = false
	r.advance(tellPause - time.Second)
	web, cart := federation.Key{Namespace: "shop", Name: "web"}, federation.Key{Namespace: "shop", Name: "cart"}
	r.report(tokyo, web, 1, federation.WorkReady, tokyo.runs[web])
	r.advance(tellPause - time.Second)
	r.report(tokyo, cart, 1, federation.WorkReady, tokyo.runs[cart])
	r.advance(20 * time.Second)
	if got := handed(); len(got) > 0 {
		t.Errorf("handed out before its member could tell: %v", got)
	}
	r.advance(tellUnless - 40*time.Second)
	if got := handed(); len(got) != 2 || !strings.Contains(got[0], "to frankfurt") || !strings.Contains(got[1], "to frankfurt") {
		t.Errorf("handed out to one that is not heard: %v", got)
	}
}

// TestCrowded: a hub that begins waits with reports while more than a few members have
// not connected again, and not for long.
func TestCrowded(t *testing.T) {
	for _, c := range []struct {
		members int
		mute    bool
		want    bool
	}{{3, true, false}, {20, true, true}, {20, false, false}} {
		r := newRig(t)
		var names []string
		for i := range c.members {
			names = append(names, fmt.Sprintf("m%02d=eu-central", i))
		}
		r.cmdMembers(names)
		r.advance(3 * time.Second)
		for _, a := range r.members {
			a.mute = c.mute
		}
		r.boot()
		r.advance(time.Second)
		if got := r.m.Crowded(); got != c.want {
			t.Errorf("%+v: crowded after a second: %v", c, got)
		}
		r.advance(crowdWithin)
		if r.m.Crowded() {
			t.Errorf("%+v: it still is", c)
		}
	}
}
