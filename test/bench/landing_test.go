package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// landings is how many Deployments come into each of three members.
	landings = 500
	// landingLook is how often the members are asked how many there are: more often, and
	// the question would take part in what is measured.
	landingLook = 25 * time.Millisecond
)

// BenchmarkLandings applies 500 Deployments, a workload each or all as one, at the gateway
// of a federation of three members with 12 simulated nodes each, all of which run
// everything; and, before and after, has a bare client-go loop create as many in the same
// API servers, 64 at once in each, as agents begin.
//
//	bare-per-s      Deployments that the loop creates, mean of both turns
//	applied-per-s   Deployments from the command to apply them until the last is in its API server
//	applied-ratio   of the two
//	landed-per-s    Deployments from the first that is seen in a member until the last
//	landed-ratio    of that and the loop
func BenchmarkLandings(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	for _, workloads := range []int{landings, 1} {
		b.Run(fmt.Sprint("workloads=", workloads), func(b *testing.B) {
			for b.Loop() {
				f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}
				f.landings(workloads)
				for name, values := range f.found {
					b.ReportMetric(values[0], name)
				}
			}
		})
	}
}

func (f local) landings(workloads int) {
	defer f.run("down")
	f.run("up", "--ports", "auto", "--no-sample", "--node-count", "12", "--timeout", "2m")
	var members []*kubernetes.Clientset
	for _, name := range []string{"tokyo", "frankfurt", "virginia"} {
		members = append(members, f.clientset(name))
	}
	file := filepath.Join(f.b.TempDir(), "landings.yaml")
	if err := os.WriteFile(file, []byte(landingDocuments(workloads)), 0o600); err != nil {
		f.b.Fatal(err)
	}
	const all = 3 * landings
	before := f.bareLoop(members, all)

	begin, done := time.Now(), make(chan time.Time)
	var first time.Time
	go func() { // sees the first while the command still runs
		first = f.seen(members, 1)
		done <- f.seen(members, all)
	}()
	f.run("apply", "-f", file)
	last := <-done
	applied, landed := all/last.Sub(begin).Seconds(), all/last.Sub(first).Seconds()
	f.run("delete", "-f", file, "--yes")
	f.until(func() bool {
		left := 0
		for _, c := range members {
			pods, err := c.CoreV1().Pods("landings").List(context.Background(), metav1.ListOptions{Limit: 1})
			if err != nil {
				f.b.Fatal(err)
			}
			left += len(pods.Items)
		}
		return left == 0
	})

	bare := (before + f.bareLoop(members, all)) / 2
	f.report(bare, "bare-per-s")
	f.report(applied, "applied-per-s")
	f.report(applied/bare, "applied-ratio")
	f.report(landed, "landed-per-s")
	f.report(landed/bare, "landed-ratio")
}

func landingDocuments(workloads int) string {
	var out strings.Builder
	for n := range landings {
		fmt.Fprintf(&out, "---\n%s\n", massDeployment("landings", fmt.Sprint("w", n)))
	}
	for n := range workloads {
		only := "" // else the one workload has everything
		if workloads > 1 {
			only = fmt.Sprintf("resources: [{apiVersion: apps/v1, kind: Deployment, name: w%d}]", n)
		}
		fmt.Fprintf(&out, `---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: landings, name: w%d}
spec:
  replicas: {mode: Duplicated}
  %s
`, n, only)
	}
	return out.String()
}

// seen waits until so many Deployments are in the members, and returns when they were.
func (f local) seen(members []*kubernetes.Clientset, many int) time.Time {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(landingLook) {
		now, n := time.Now(), 0
		for _, c := range members {
			list, err := c.AppsV1().Deployments("landings").List(context.Background(), metav1.ListOptions{Limit: 1})
			if err != nil {
				f.b.Error(err)
				return now
			}
			n += len(list.Items)
			if left := list.RemainingItemCount; left != nil {
				n += int(*left)
			}
		}
		if n >= many {
			return now
		}
	}
	f.b.Errorf("there were never %d Deployments", many)
	return time.Now()
}
