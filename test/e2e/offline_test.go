package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// pods lists the pods of the sample in a member with their uids, sorted.
func (f federation) pods(t *testing.T, member string) []string {
	t.Helper()
	lines := strings.Fields(f.run(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "get", "pods", "-n", "shop",
		"-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}{"\n"}{end}`))
	slices.Sort(lines)
	return lines
}

// checkOffline: a member that starts while hub and bus are away goes on with what ran
// there, lands again from its own store what is deleted, and when the hub is back
// nothing is made anew.
func checkOffline(t *testing.T, f federation) {
	const member = "tokyo"
	before, pods, uid, ready := f.workload(t, "shop/web"), f.pods(t, member), f.webUID(t, member), f.deployed(t, member, "web")
	if uid == "" || ready == "" {
		t.Fatalf("%s does not run web", member)
	}
	f.killHub(t)
	f.run(t, "hansa", "member", "stop", member)
	f.run(t, "hansa", "member", "start", member)
	kubeconfig := f.kubeconfig(t, member)
	f.await(t, time.Minute, func() string {
		if out, code := f.try(t, "kubectl", "--kubeconfig", kubeconfig, "get", "nodes"); code != 0 {
			return out
		}
		return ""
	})
	if now := f.pods(t, member); !slices.Equal(now, pods) {
		t.Errorf("a restart without the hub made pods anew: %v, then %v", pods, now)
	}
	f.run(t, "kubectl", "--kubeconfig", kubeconfig, "delete", "deployment", "web", "-n", "shop")
	f.await(t, time.Minute, func() string {
		if now := f.webUID(t, member); now == "" || now == uid {
			return fmt.Sprintf("web was deleted, and its uid is %q", now)
		}
		if now := f.deployed(t, member, "web"); now != ready {
			return fmt.Sprintf("%q replicas of web are ready, %s were", now, ready)
		}
		return ""
	})
	var offline []string
	f.await(t, time.Minute, func() string { // the old pods go with the old Deployment
		if offline = f.pods(t, member); len(offline) != len(pods) {
			return fmt.Sprintf("%d pods, %d before", len(offline), len(pods))
		}
		return ""
	})
	landed := f.webUID(t, member)
	f.run(t, "hansa", "up", "--timeout", "60s")
	f.awaitReady(t, member)
	if now := f.pods(t, member); !slices.Equal(now, offline) || f.webUID(t, member) != landed {
		t.Errorf("the hub came back and pods were made anew: %v, then %v", offline, now)
	}
	if after := f.workload(t, "shop/web"); after.Status.Epoch != before.Status.Epoch {
		t.Errorf("the hub came back and moved web: %+v, then %+v", before, after)
	}
}
