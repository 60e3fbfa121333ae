package decision

import (
	"strings"
	"testing"

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
