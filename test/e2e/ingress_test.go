package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/images"
)

// door is a workload of frankfurt alone, and the Service by which its users come in.
const door = `apiVersion: apps/v1
kind: Deployment
metadata: {name: door}
spec:
  selector: {matchLabels: {app: door}}
  template:
    metadata: {labels: {app: door}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: server, image: ` + images.Server + `}]
---
apiVersion: v1
kind: Service
metadata: {name: door, annotations: {hansa.io/ingress: tcp}}
spec: {type: NodePort, selector: {app: door}, ports: [{port: 80, targetPort: 8080}]}
`

// checkIngress: the agents of other members look at the ingress that frankfurt announces,
// a port of its node. Without a pod behind it frankfurt gets no traffic, although
// everything else of it is well.
func checkIngress(t *testing.T, f federation) {
	described := func() string { return f.run(t, "hansa", "describe", "member", "frankfurt") }
	if out := described(); !strings.Contains(out, "the member announces none") {
		t.Errorf("there is no ingress yet:\n%s", out)
	}
	f.put(t, "frankfurt", door)
	f.kubectl(t, "frankfurt", "rollout", "status", "deployment/door", "--timeout=60s")
	port := f.kubectl(t, "frankfurt", "get", "service", "door", "-o", "jsonpath={.spec.ports[0].nodePort}")
	address := f.kubectl(t, "frankfurt", "get", "node", frankfurtNode, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
	f.awaitIngress(t, "green", "tcp://"+address+":"+port)

	begin := time.Now()
	f.kubectl(t, "frankfurt", "scale", "deployment/door", "--replicas=0")
	f.awaitHealth(t, "Degraded")
	t.Logf("the verdict came %.1f s after the last pod was deleted\n%s", time.Since(begin).Seconds(), described())
	f.awaitIngress(t, "red", "tcp://"+address+":"+port)
	f.awaitAnswer(t, false)

	f.kubectl(t, "frankfurt", "scale", "deployment/door", "--replicas=1")
	f.awaitHealth(t, "Healthy")
	f.awaitAnswer(t, true)
	f.kubectl(t, "frankfurt", "delete", "deployment/door", "service/door")
	f.await(t, 20*time.Second, func() string {
		if out := described(); !strings.Contains(out, "the member announces none") {
			return "the ingress is gone, and not for the hub:\n" + out
		}
		return ""
	})
}

// awaitIngress waits until the agent of frankfurt, the hub, and both other members see the
// ingress so.
func (f federation) awaitIngress(t *testing.T, signal, at string) {
	t.Helper()
	f.await(t, 30*time.Second, func() string {
		out := f.run(t, "hansa", "describe", "member", "frankfurt")
		for _, observer := range []string{"hub", "tokyo", "virginia"} {
			line := fmt.Sprintf(`(?m)^\s*%s\s+ingress\s+%s\s.*%s`, observer, signal, regexp.QuoteMeta(at))
			if !regexp.MustCompile(line).MatchString(out) {
				return fmt.Sprintf("%s does not see %s %s:\n%s", observer, at, signal, out)
			}
		}
		return ""
	})
}

func (f federation) awaitHealth(t *testing.T, want string) {
	t.Helper()
	f.await(t, 30*time.Second, func() string {
		if got := f.members(t)["frankfurt"].Status.Health; got != want {
			return "frankfurt is " + got + ", not " + want
		}
		return ""
	})
}

// awaitAnswer waits until frankfurt is in what the gateway answers, or is not.
func (f federation) awaitAnswer(t *testing.T, want bool) {
	t.Helper()
	f.await(t, 30*time.Second, func() string {
		found := false
		for _, tier := range f.resolve(t, "osaka").Tiers {
			for _, e := range tier.Endpoints {
				found = found || e.Member == "frankfurt"
			}
		}
		if found != want {
			return fmt.Sprintf("frankfurt answers: %v, want %v", found, want)
		}
		return ""
	})
}
