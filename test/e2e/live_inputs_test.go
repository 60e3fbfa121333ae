package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// checkWays: agents measure the way to the other regions. All members are on this
// machine and say that they are continents apart, so that no figure is believed.
func checkWays(t *testing.T, f federation) {
	f.await(t, 60*time.Second, func() string {
		out := f.run(t, "hansa", "describe", "member", "tokyo")
		for _, region := range []string{"eu-central", "us-east"} {
			if !strings.Contains(out, "way to "+region) {
				return out
			}
		}
		if !strings.Contains(out, "not believed, light needs") {
			t.Errorf("a way faster than light is believed:\n%s", out)
		}
		return ""
	})
}

// checkDemand: a workload that is divided by demand runs where clients ask from.
func checkDemand(t *testing.T, f federation) {
	f.apply(t, strings.Replace(deployment("demand", ", replicas: {by: Demand}", "", 4), "resources: [", "resources: [{apiVersion: v1, kind: Service, name: demand}, {apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceExport, name: demand}, ", 1)+`---
apiVersion: v1
kind: Service
metadata: {namespace: plan, name: demand}
spec: {selector: {app: demand}, ports: [{port: 80}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {namespace: plan, name: demand}
`)
	f.await(t, 30*time.Second, func() string {
		if w := f.workload(t, "plan/demand"); w.Status.State != "Ready" {
			return w.Status.State
		}
		return ""
	})
	if out := f.run(t, "hansa", "explain", "plan/demand"); !strings.Contains(out, "divided by Capacity: no demand is known") {
		t.Errorf("nobody asked for it, which is not told:\n%s", out)
	}
	f.await(t, 30*time.Second, func() string {
		if out, code := f.try(t, "hansa", "resolve", "plan/demand", "--from", "osaka"); code != 0 {
			return out
		}
		return ""
	})
	for range 40 {
		f.run(t, "hansa", "resolve", "plan/demand", "--from", "osaka")
	}
	f.await(t, 60*time.Second, func() string {
		if out, code := f.try(t, "hansa", "rebalance", "plan/demand", "--yes"); code != 0 {
			return out // the last one is not over
		}
		if out := f.run(t, "hansa", "explain", "plan/demand"); !strings.Contains(out, "divided by Demand") {
			return "that demand was observed is not told:\n" + out // gateways tell it every few seconds
		}
		if shares := f.shares(t, "plan/demand"); len(shares) != 1 || shares["tokyo"] != 4 {
			return fmt.Sprint(shares)
		}
		return ""
	})
}

// checkSick: replicas that were ready and are no more leave a member that is well.
// Their pods are made unready by hand, since simulated ones do not fail by themselves.
func checkSick(t *testing.T, f federation) {
	f.apply(t, deployment("sick", ", failover: {dwell: 1s}", "", 6))
	var before map[string]int
	f.await(t, 30*time.Second, func() string {
		if w := f.workload(t, "plan/sick"); w.Status.State != "Ready" || w.Status.Unmet > 0 {
			return w.Status.State
		}
		before = f.shares(t, "plan/sick")
		return ""
	})
	if before["virginia"] == 0 {
		t.Fatalf("virginia has none of it: %v", before)
	}
	kubectl := []string{"kubectl", "--kubeconfig", f.kubeconfig(t, "virginia"), "-n", "plan"}
	pods := strings.Fields(f.run(t, kubectl[0], append(kubectl[1:], "get", "pods", "-l", "app=sick", "-o", "name")...))
	for _, pod := range pods {
		f.run(t, kubectl[0], append(kubectl[1:], "patch", pod, "--subresource=status", "-p", `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`)...)
	}
	f.await(t, 90*time.Second, func() string {
		shares, w := f.shares(t, "plan/sick"), f.workload(t, "plan/sick")
		if shares["virginia"] > 0 || w.Status.State != "Ready" || w.Status.Unmet > 0 {
			return fmt.Sprintf("%v %s", shares, w.Status.State)
		}
		return ""
	})
	if out := f.run(t, "hansa", "explain", "plan/sick"); !strings.Contains(out, "were not ready in virginia") {
		t.Errorf("why virginia lost its share is not told:\n%s", out)
	}
}
