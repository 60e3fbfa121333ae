package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deployment is one workload of one Deployment in namespace plan.
func deployment(name, spec, pod string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {namespace: plan, name: %[1]s}
spec:
  replicas: %[4]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {%[3]scontainers: [{name: main, image: example/main, resources: {requests: {cpu: "1", memory: 64Mi}}}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: plan, name: %[1]s}
spec: {resources: [{apiVersion: apps/v1, kind: Deployment, name: %[1]s}]%[2]s}
`, name, spec, pod, replicas)
}

// apply writes the documents to a file and applies it.
func (f federation) apply(t *testing.T, documents string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "documents.yaml")
	if err := os.WriteFile(file, []byte(documents), 0o600); err != nil {
		t.Fatal(err)
	}
	f.run(t, "hansa", "apply", "-f", file)
}

// shares are the replicas of a workload by member, as they are assigned.
func (f federation) shares(t *testing.T, key string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range f.workload(t, key).Status.Members {
		out[m.Member] = m.Replicas
	}
	return out
}

// checkPlanning asks every question about placement on real members: quotas,
// preemption, taints, rebalance, replay, differences, readiness, scores, members and
// Placements that could be.
func checkPlanning(t *testing.T, f federation) {
	t.Run("readiness", func(t *testing.T) { checkReadiness(t, f) })
	t.Run("what if", func(t *testing.T) { checkWhatIf(t, f) })
	t.Run("quota", func(t *testing.T) { checkQuota(t, f) })
	t.Run("taint and rebalance", func(t *testing.T) { checkTaint(t, f) })
	t.Run("scores", func(t *testing.T) { checkScores(t, f) })
	t.Run("ways", func(t *testing.T) { checkWays(t, f) })
	t.Run("demand", func(t *testing.T) { checkDemand(t, f) })
	t.Run("sick", func(t *testing.T) { checkSick(t, f) })
	t.Run("no node", func(t *testing.T) { checkNoNode(t, f) })
	t.Run("preemption", func(t *testing.T) { checkPreemption(t, f) })
	f.run(t, "hansa", "delete", "plan/quota", "plan/taint", "plan/score", "plan/demand", "plan/sick", "plan/nowhere", "plan/fill", "plan/first", "--yes")
	f.await(t, 30*time.Second, func() string {
		out := f.run(t, "hansa", "get", "workloads", "-n", "plan", "-o", "json")
		if strings.Contains(out, `"plan"`) {
			return "workloads are left in namespace plan"
		}
		return ""
	})
}

func checkReadiness(t *testing.T, f federation) {
	var r struct {
		Score     float64
		Scenarios []struct{ Lost string }
	}
	f.read(t, &r, "hansa", "readiness", "-o", "json")
	lost := map[string]bool{}
	for _, s := range r.Scenarios {
		lost[s.Lost] = true
	}
	if len(r.Scenarios) != 6 || !lost["region=eu-central"] || !lost["member=tokyo"] || r.Score != 100 {
		t.Errorf("got %+v", r)
	}
	if out := f.run(t, "hansa", "explain", "shop/web", "--replay"); !strings.Contains(out, "the same inputs give the same decision") {
		t.Errorf("got %s", out)
	}
}

func checkWhatIf(t *testing.T, f federation) {
	dir := t.TempDir()
	member, policy := filepath.Join(dir, "osaka.yaml"), filepath.Join(dir, "policy.yaml")
	for path, text := range map[string]string{
		member: "apiVersion: hansa.io/v1alpha1\nkind: Member\nmetadata: {name: osaka}\nspec: {place: {region: ap-northeast}, nodes: 3, node: {cpu: \"8\", memory: 32Gi}}\n",
		policy: "apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: cart}\nspec: {members: {names: [osaka]}}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var s struct {
		Fits  bool
		Moves []struct {
			Workload, Member string
			To               int
		}
	}
	f.read(t, &s, "hansa", "simulate", "--add", member, "--policy", policy, "-o", "json")
	there := 0
	for _, m := range s.Moves {
		if m.Member == "osaka" && m.Workload == "shop/cart" {
			there = m.To
		}
	}
	if !s.Fits || there != 3 {
		t.Errorf("cart does not move to a member that is added: %+v", s)
	}
	f.refused(t, "there is no such workload", "hansa", "simulate", "--scale", "shop/none=3")
}

// checkQuota: a ResourceQuota of a member bounds what placement gives it.
func checkQuota(t *testing.T, f federation) {
	tokyo := f.kubeconfig(t, "tokyo")
	f.run(t, "kubectl", "--kubeconfig", tokyo, "create", "namespace", "plan")
	f.run(t, "kubectl", "--kubeconfig", tokyo, "-n", "plan", "create", "quota", "small", "--hard=pods=1")
	f.apply(t, deployment("quota", "", "", 9))
	f.await(t, 30*time.Second, func() string {
		// The member may report the quota only after the first decision; a later one
		// keeps what runs, so the workload is applied anew until the quota is known.
		if n := f.shares(t, "plan/quota")["tokyo"]; n > 1 {
			f.run(t, "hansa", "delete", "plan/quota", "--yes")
			f.apply(t, deployment("quota", "", "", 9))
			return fmt.Sprintf("tokyo has %d replicas, its quota is 1", n)
		}
		if f.workload(t, "plan/quota").Status.State != "Ready" {
			return "plan/quota is not Ready"
		}
		return ""
	})
	f.run(t, "kubectl", "--kubeconfig", tokyo, "-n", "plan", "delete", "quota", "small")
}

// checkTaint: a taint keeps new replicas away; without it a rebalance brings some.
func checkTaint(t *testing.T, f federation) {
	f.run(t, "hansa", "taint", "tokyo", "maintenance:NoSchedule")
	f.apply(t, deployment("taint", ", spread: [{by: region, maxSkew: 1}]", "", 4))
	f.await(t, 30*time.Second, func() string {
		if got := f.shares(t, "plan/taint"); got["tokyo"] > 0 || got["frankfurt"]+got["virginia"] != 4 {
			return fmt.Sprintf("shares %v", got)
		}
		return ""
	})
	if out := f.run(t, "hansa", "explain", "plan/taint"); !strings.Contains(out, "has taint maintenance:NoSchedule") {
		t.Errorf("explain does not name the taint:\n%s", out)
	}
	f.refused(t, "want KEY[=VALUE]:EFFECT", "hansa", "taint", "tokyo", "maintenance:Sometimes")
	f.run(t, "hansa", "taint", "tokyo", "maintenance-")
	if out := f.run(t, "hansa", "rebalance", "plan/taint", "--dry-run"); !strings.Contains(out, "tokyo") {
		t.Errorf("rebalance would not use tokyo:\n%s", out)
	}
	if got := f.shares(t, "plan/taint"); got["tokyo"] > 0 {
		t.Errorf("a dry run moved something: %v", got)
	}
	f.run(t, "hansa", "rebalance", "plan/taint", "--yes")
	f.await(t, 30*time.Second, func() string {
		if got := f.shares(t, "plan/taint"); got["tokyo"] == 0 {
			return fmt.Sprintf("shares %v", got)
		}
		return ""
	})
	if out := f.run(t, "hansa", "explain", "plan/taint", "--diff"); !strings.Contains(out, "has taint maintenance:NoSchedule") || !strings.Contains(out, "rebalance by") {
		t.Errorf("the difference does not say what has changed:\n%s", out)
	}
}

func checkScores(t *testing.T, f federation) {
	f.run(t, "hansa", "score", "set", "cost", "tokyo=9", "frankfurt=1", "virginia=5")
	f.refused(t, "computed by Hansa itself", "hansa", "score", "set", "latency", "tokyo=1")
	f.await(t, 10*time.Second, func() string {
		if !strings.Contains(f.run(t, "hansa", "get", "scores"), "cost") {
			return "the score is not listed"
		}
		return ""
	})
	f.apply(t, deployment("score", ", replicas: {by: Aggregated}, scores: {cost: 100}", "", 1))
	f.await(t, 30*time.Second, func() string {
		if got := f.shares(t, "plan/score"); got["frankfurt"] != 1 {
			return fmt.Sprintf("shares %v", got)
		}
		return ""
	})
	if out := f.run(t, "hansa", "explain", "plan/score", "-o", "wide"); !strings.Contains(out, "cost 100×100") {
		t.Errorf("explain does not show the score:\n%s", out)
	}
	f.run(t, "hansa", "score", "delete", "cost")
}

// checkNoNode: pods that a member's own scheduler finds no node for are told.
func checkNoNode(t *testing.T, f federation) {
	f.apply(t, deployment("nowhere", "", "nodeSelector: {no: where}, ", 1))
	f.await(t, 30*time.Second, func() string {
		if out := f.run(t, "hansa", "describe", "workload", "plan/nowhere"); !strings.Contains(out, "1 pod: Unschedulable: 0/3 nodes are available") {
			return out
		}
		return ""
	})
}

// checkPreemption: what may preempt takes room from what matters less, and no more.
func checkPreemption(t *testing.T, f federation) {
	f.apply(t, deployment("fill", ", failover: {tier: 4}", "", 500))
	// Demand without a place is tried again as room is reported, so it is full only
	// when nobody has a core left.
	f.await(t, 60*time.Second, func() string {
		if w := f.workload(t, "plan/fill"); w.Status.Unmet == 0 || w.Status.State == "Progressing" {
			return fmt.Sprintf("%+v", w)
		}
		for name, m := range f.members(t) {
			// Less than a core on each of three nodes is written in thousandths.
			if !strings.HasSuffix(m.Status.Free.CPU, "m") && m.Status.Free.CPU > "2" && m.Status.Health == "Healthy" {
				return fmt.Sprintf("%s has %s cores free", name, m.Status.Free.CPU)
			}
		}
		return ""
	})
	total := func() int {
		n := 0
		for _, replicas := range f.shares(t, "plan/fill") {
			n += replicas
		}
		return n
	}
	before := total()
	f.apply(t, deployment("first", ", preemption: LowerTiers", "", 3))
	f.await(t, 60*time.Second, func() string {
		if w := f.workload(t, "plan/first"); w.Status.State != "Ready" || w.Status.Unmet > 0 {
			return fmt.Sprintf("%+v", w)
		}
		return ""
	})
	if after := total(); before-after < 1 || before-after > 3 {
		t.Errorf("%d replicas were taken for 3", before-after)
	}
	// Its last decision may be a later one: some of it finds no room, so every change of room makes one.
	if out := f.run(t, "hansa", "get", "events", "plan/fill"); !strings.Contains(out, "preempted by plan/first") {
		t.Errorf("the one that gave does not say so:\n%s", out)
	}
	if out := f.run(t, "hansa", "explain", "plan/first"); !strings.Contains(out, "preemption: took") {
		t.Errorf("the one that took does not say so:\n%s", out)
	}
}
