package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// mass is how many workloads are lost at once.
const mass = 1000

// BenchmarkMassFailover kills a member that runs 1,000 workloads of one replica with
// dwell 0s, in a federation of three with 12 simulated nodes each.
//
//	bare-per-s      Deployments that a bare client-go loop creates in the two survivors, before
//	landed-per-s    Deployments that the agents land there after the kill, from the first decision
//	landed-ratio    of the two
//	decided-ms      verdict until every new assignment is stored
//	landed-ms       verdict until every Deployment is in its new member's API server
func BenchmarkMassFailover(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}
		f.massFailover()
		for name, values := range f.found {
			b.ReportMetric(values[0], name)
		}
	}
}

func (f local) massFailover() {
	defer f.run("down")
	f.run("up", "--ports", "auto", "--no-sample", "--node-count", "12", "--timeout", "2m")
	survivors := []*kubernetes.Clientset{f.clientset("tokyo"), f.clientset("virginia")}
	bare := f.bareLoop(survivors, mass)
	f.report(bare, "bare-per-s")

	file := filepath.Join(f.b.TempDir(), "mass.yaml")
	if err := os.WriteFile(file, []byte(massDocuments()), 0o600); err != nil {
		f.b.Fatal(err)
	}
	f.run("apply", "-f", file, "--wait", "--timeout", "5m")
	f.run("member", "kill", "frankfurt")
	last := f.await(survivors)
	verdict, first, decided := f.decisions()
	f.report(ms(decided.Sub(verdict)), "decided-ms")
	f.report(ms(last.Sub(verdict)), "landed-ms")
	landed := mass / last.Sub(first).Seconds()
	f.report(landed, "landed-per-s")
	f.report(landed/bare, "landed-ratio")
}

func (f local) clientset(member string) *kubernetes.Clientset {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(f.home, "members", member, "data", "admin.kubeconfig"))
	if err != nil {
		f.b.Fatal(err)
	}
	config.QPS, config.Burst = -1, -1
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		f.b.Fatal(err)
	}
	return c
}

// bareLoop creates Deployments in clusters, so many in all, 64 at once in each, as the
// agents begin, and removes them again. It returns how many there were in a second.
func (f local) bareLoop(clusters []*kubernetes.Clientset, many int) float64 {
	ctx := context.Background()
	var group sync.WaitGroup
	begin := time.Now()
	for i, c := range clusters {
		names := make(chan string, many)
		for n := i; n < many; n += len(clusters) {
			names <- fmt.Sprintf("w%d", n)
		}
		close(names)
		for range 64 {
			group.Go(func() {
				for name := range names {
					var d appsv1.Deployment
					if err := json.Unmarshal([]byte(massDeployment("default", name)), &d); err != nil {
						f.b.Error(err)
					}
					if _, err := c.AppsV1().Deployments("default").Create(ctx, &d, metav1.CreateOptions{}); err != nil {
						f.b.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	took := time.Since(begin)
	for _, c := range clusters {
		if err := c.AppsV1().Deployments("default").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			f.b.Fatal(err)
		}
		f.until(func() bool {
			pods, err := c.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
			return err == nil && len(pods.Items) == 0
		})
	}
	return float64(many) / took.Seconds()
}

func massDeployment(namespace, name string) string {
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":%q,"name":%q},"spec":{"replicas":1,
		"selector":{"matchLabels":{"app":%[2]q}},"template":{"metadata":{"labels":{"app":%[2]q}},
		"spec":{"containers":[{"name":"main","image":"example/main","resources":{"requests":{"cpu":"10m","memory":"16Mi"}}}]}}}}`, namespace, name)
}

// massDocuments prefer frankfurt, and may run anywhere.
func massDocuments() string {
	var out strings.Builder
	for n := range mass {
		name := fmt.Sprintf("w%d", n)
		fmt.Fprintf(&out, `---
%s
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: mass, name: %s}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: %[2]s}]
  members: {groups: [{name: home, members: {matchExpressions: [{key: name, operator: In, values: [frankfurt]}]}}, {name: elsewhere, members: {}}]}
  failover: {dwell: 0s}
`, massDeployment("mass", name), name)
	}
	return out.String()
}

// await returns when the last Deployment was seen in the survivors.
func (f local) await(clusters []*kubernetes.Clientset) time.Time {
	f.until(func() bool {
		n := 0
		for _, c := range clusters {
			list, err := c.AppsV1().Deployments("mass").List(context.Background(), metav1.ListOptions{Limit: 1})
			if err != nil {
				f.b.Fatal(err)
			}
			n += len(list.Items)
			if left := list.RemainingItemCount; left != nil {
				n += int(*left)
			}
		}
		return n >= mass
	})
	return time.Now()
}

// decisions are the times of the failover's record: the verdict, the first and the last
// assignment that was stored.
func (f local) decisions() (verdict, first, last time.Time) {
	var list struct {
		Items []struct {
			Status struct {
				Marks     map[string]time.Time
				Workloads []struct{ Marks map[string]time.Time }
			}
		}
	}
	f.until(func() bool {
		if err := json.Unmarshal([]byte(f.run("get", "operations", "-o", "json")), &list); err != nil {
			f.b.Fatal(err)
		}
		return len(list.Items) > 0 && !list.Items[0].Status.Marks["T4"].IsZero()
	})
	s := list.Items[0].Status
	last = s.Marks["T4"]
	for _, w := range s.Workloads {
		if at := w.Marks["T4"]; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return s.Marks["T3"], first, last
}
