package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// once is a workload that runs at most once, and the member that has it.
type once struct {
	federation
	home string
}

// pods lists its pods in a member, as real kubectl sees them.
func (o once) pods(t *testing.T, member string) []string {
	t.Helper()
	return strings.Fields(o.run(t, "kubectl", "--kubeconfig", o.kubeconfig(t, member), "-n", "plan", "get", "pods", "-l", "app=single", "-o", "name"))
}

// start tries to start a pod of it by hand in a member, and returns the refusal.
func (o once) start(t *testing.T, member string) string {
	t.Helper()
	out, code := o.try(t, "kubectl", "--kubeconfig", o.kubeconfig(t, member), "-n", "plan", "run", "byhand", "--image=example/main",
		"--labels=hansa.io/at-most-one=true", "--annotations=hansa.io/workload=plan/single")
	if code == 0 {
		t.Errorf("%s started a second one:\n%s", member, out)
	}
	return out
}

func (o once) awaitOne(t *testing.T) {
	t.Helper()
	o.await(t, time.Minute, func() string {
		if w := o.workload(t, "plan/single"); w.Status.State != "Ready" {
			return w.Status.State
		}
		total := 0
		for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
			total += len(o.pods(t, member))
		}
		if total != 1 {
			return fmt.Sprintf("%d pods", total)
		}
		return ""
	})
}

// checkOnce: a workload that runs at most once starts nowhere without a lease, by
// nobody; it stops when the hub is gone for longer than its lease, and starts again.
func checkOnce(t *testing.T, f federation) {
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		f.try(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "create", "namespace", "plan")
	}
	f.apply(t, deployment("single", ", failover: {continuity: AtMostOne}", "", 1))
	o := once{federation: f}
	o.awaitOne(t)
	for member := range f.shares(t, "plan/single") {
		o.home = member
	}
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		if member == o.home {
			continue
		}
		if out := o.start(t, member); !strings.Contains(out, "workload plan/single runs at most once, and not here: this member has no lease of it") {
			t.Errorf("%s refuses without saying why:\n%s", member, out)
		}
	}
	before := o.pods(t, o.home)
	f.run(t, "kubectl", "--kubeconfig", f.kubeconfig(t, o.home), "-n", "plan", "delete", before[0], "--wait=false")
	f.await(t, time.Minute, func() string { // its own cluster may replace it while the lease holds
		if now := o.pods(t, o.home); len(now) != 1 || now[0] == before[0] {
			return fmt.Sprint(now)
		}
		return ""
	})
	o.checkWithoutHub(t)
	f.run(t, "hansa", "delete", "plan/single", "--yes")
}

// checkWithoutHub kills the hub until the lease has run out.
func (o once) checkWithoutHub(t *testing.T) {
	t.Helper()
	o.killHub(t)
	o.await(t, time.Minute, func() string {
		if pods := o.pods(t, o.home); len(pods) > 0 {
			return fmt.Sprintf("%v run without a lease", pods)
		}
		return ""
	})
	o.start(t, o.home)
	o.run(t, "hansa", "up", "--timeout", "60s")
	o.awaitOne(t)
}
