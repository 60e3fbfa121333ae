package landings

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
)

// Of each round of the benchmark.
const (
	benchObjects     = 500
	benchConcurrency = 64
)

// BenchmarkLanding lands 500 works of one Deployment each, and has a bare loop create
// as many with as many requests under way, on the same API server, in turn. The
// Deployments have no replicas, so that what is measured is the writing of them.
// "ratio" is the rate of landing by that of the loop.
func BenchmarkLanding(b *testing.B) {
	s := openSite(b, startCluster(b, config.Nodes{Count: 1}))
	var bare, landed time.Duration
	round := 0
	for b.Loop() {
		for range 2 { // what grows in the API server meanwhile is in both
			round++
			bare += s.createBare(b, fmt.Sprintf("bare%d", round))
			s.settle(b, fmt.Sprintf("bare%d", round))
			landed += s.landAll(b, fmt.Sprintf("land%d", round))
			s.settle(b, fmt.Sprintf("land%d", round))
		}
	}
	b.ReportMetric(bare.Seconds()/landed.Seconds(), "ratio")
	b.ReportMetric(float64(round*benchObjects)/landed.Seconds(), "landed/s")
	b.ReportMetric(float64(round*benchObjects)/bare.Seconds(), "bare/s")
}

// settle waits until the controllers have done what there is to do about the Deployments
// of a namespace, so that it is not done during what is measured next.
func (s *site) settle(b *testing.B, ns string) {
	b.Helper()
	s.await(b, strings.TrimSpace(strings.Repeat("1 ", benchObjects)), func() string {
		return s.kubectl(b, "-n", ns, "get", "deployments", "-o", `jsonpath={range .items[?(@.status.conditions)]}{.status.observedGeneration} {end}`)
	})
}

func deploymentOf(b *testing.B, ns, name string) *unstructured.Unstructured {
	b.Helper()
	o := order(b, name, federation.LandingSpec{}, web(name, 0)).Work.Objects[0]
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(o.Raw, &u.Object); err != nil {
		b.Fatal(err)
	}
	u.SetNamespace(ns)
	return u
}

// createBare is the bare loop.
func (s *site) createBare(b *testing.B, ns string) time.Duration {
	b.Helper()
	s.kubectl(b, "create", "namespace", ns)
	work := make(chan *unstructured.Unstructured, benchObjects)
	for i := range benchObjects {
		work <- deploymentOf(b, ns, fmt.Sprintf("d%d", i))
	}
	close(work)
	began := time.Now()
	var running sync.WaitGroup
	for range benchConcurrency {
		running.Go(func() {
			for u := range work {
				if _, err := s.client.Create(context.Background(), u); err != nil {
					b.Error(err)
				}
			}
		})
	}
	running.Wait()
	return time.Since(began)
}

// landAll gives all orders at once, as an agent does, and waits until all are carried
// out.
func (s *site) landAll(b *testing.B, ns string) time.Duration {
	b.Helper()
	orders := make([]landing.Order, benchObjects)
	for i := range orders {
		name := fmt.Sprintf("d%d", i)
		orders[i] = order(b, name, federation.LandingSpec{}, web(name, 0))
		u := deploymentOf(b, ns, name)
		raw, err := json.Marshal(u.Object)
		if err != nil {
			b.Fatal(err)
		}
		r := kube.RefOf(u)
		orders[i].Work.Workload.Namespace = ns
		orders[i].Work.Objects = []federation.Object{{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: ns, Name: name, Raw: raw}}
	}
	began := time.Now()
	for _, o := range orders {
		s.give(o)
	}
	for _, o := range orders {
		s.carried(b, o)
	}
	return time.Since(began)
}
