package landing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
)

// life is one life of a lander.
type life struct {
	*Lander
	done chan Order
	end  func()
}

func begin(t *testing.T, s *apiServer) life {
	t.Helper()
	l := life{done: make(chan Order, 8)}
	l.Lander = New(Options{
		Cluster: s, Views: s, Done: func(o Order) { l.done <- o }, Changed: func(federation.Key) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err := l.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	l.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return l
}

func (l life) land(o Order) {
	l.Give(o)
	<-l.done
}

// shop is a work of three kinds of objects.
func shop(r federation.Revision) Order {
	object := func(apiVersion, kind, more string) federation.Object {
		return federation.Object{APIVersion: apiVersion, Kind: kind, Namespace: "shop", Name: "web", Raw: json.RawMessage(fmt.Sprintf(
			`{"apiVersion":%q,"kind":%q,"metadata":{"namespace":"shop","name":"web"},%s}`, apiVersion, kind, more))}
	}
	return Order{Do: Land, Revision: r, Work: federation.Work{Workload: web, Epoch: 1, WorkloadRevision: 1, Replicas: 3, Objects: []federation.Object{
		object("v1", "ConfigMap", `"data":{"a":"b"}`),
		object("v1", "Service", `"spec":{"ports":[{"port":80}]}`),
		object("apps/v1", "Deployment", `"spec":{"replicas":3}`),
	}}}
}

func careful(o Order) Order {
	o.Careful = true
	return o
}

func replicas(n int64) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, n, "spec", "replicas") // a map
	}
}

// TestNothingTwice: what stands is not written again, by this life or the next; what
// does not stand is written alone, and nothing that would take something away while
// care is taken.
func TestNothingTwice(t *testing.T) {
	const all = "ConfigMap Deployment Namespace Service inventory"
	pruning := shop(1)
	pruning.Prune = true
	reporting := shop(1)
	reporting.Work.Landing.Drift = "Report"
	for _, c := range []struct {
		name  string
		edit  func(*apiServer)
		again Order
		want  string
	}{
		{"the same", nil, shop(1), ""},
		{"the same, pruning", nil, pruning, ""},
		{"the same, careful", nil, careful(shop(1)), ""},
		{"a newer record", nil, shop(2), all},
		{"deleted", func(s *apiServer) { s.edit("Deployment", nil) }, careful(shop(1)), "Deployment inventory"},
		{"fewer replicas", func(s *apiServer) { s.edit("Deployment", replicas(1)) }, careful(shop(1)), "Deployment inventory"},
		{"more replicas, careful", func(s *apiServer) { s.edit("Deployment", replicas(9)) }, careful(shop(1)), "inventory"},
		{"more replicas", func(s *apiServer) { s.edit("Deployment", replicas(9)) }, shop(1), "Deployment inventory"},
		{"drift that is only reported", func(s *apiServer) { s.edit("Deployment", replicas(9)) }, reporting, ""},
		{"configuration", func(s *apiServer) {
			s.edit("ConfigMap", func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"a": "c"} })
		}, careful(shop(1)), "ConfigMap inventory"},
		{"a status", func(s *apiServer) {
			s.edit("Service", func(u *unstructured.Unstructured) {
				u.Object["status"] = map[string]any{"loadBalancer": map[string]any{}}
			})
		}, shop(1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer()
				first := begin(t, s)
				s.written()
				first.land(shop(1))
				first.end()
				if got := s.written(); got != all {
					t.Errorf("the first life wrote %s", got)
				}
				if c.edit != nil {
					c.edit(s)
				}
				second := begin(t, s)
				second.land(c.again)
				second.end()
				if got := s.written(); got != c.want {
					t.Errorf("the second life wrote %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestUnfinished: an order that an earlier life did not carry out to its end is landed
// by the next one, also carefully.
func TestUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		first := begin(t, s)
		first.land(shop(1))
		first.end()
		s.mu.Lock()
		for r, u := range s.objects {
			if data, there, _ := unstructured.NestedStringMap(u.Object, "data"); there && r.Namespace == Namespace {
				for field := range data {
					data[field] = strings.Replace(data[field], `"whole":true`, `"whole":false`, 1)
				}
				_ = unstructured.SetNestedStringMap(u.Object, data, "data") // a map
			}
		}
		s.mu.Unlock()
		s.written()
		second := begin(t, s)
		second.land(careful(shop(1)))
		if got := s.written(); got != "ConfigMap Deployment Namespace Service inventory" {
			t.Errorf("wrote %s", got)
		}
		second.land(shop(1))
		if got := s.written(); got != "" {
			t.Errorf("wrote %s twice", got)
		}
		second.end()
	})
}

// TestWrittenAnew: a record that is written anew and says the same lands nothing, in
// this life and the next.
func TestWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		first := begin(t, s)
		first.land(shop(1))
		s.written()
		first.land(shop(5))
		first.end()
		second := begin(t, s)
		second.land(careful(shop(5)))
		if got := s.written(); got != "inventory" {
			t.Errorf("wrote %q", got)
		}
		other := shop(6)
		other.Work.Objects = other.Work.Objects[:2]
		second.land(other)
		second.end()
		if got := s.written(); got != "ConfigMap Namespace Service inventory" {
			t.Errorf("for other content it wrote %q", got)
		}
	})
}

// TestCorrectCarefully: drift is corrected from the last order, one object at a time,
// and more replicas than it says are left alone while care is taken.
func TestCorrectCarefully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		l := begin(t, s)
		defer l.end()
		l.land(shop(1))
		correct := func(careful bool) string {
			s.written()
			<-time.After(2 * correctEvery) // of the bubble's clock; the inventory is written too
			s.written()
			l.Correct(web, time.Now(), careful)
			synctest.Wait()
			select {
			case <-l.done:
			default:
			}
			return s.written()
		}
		if got := correct(true); got != "" {
			t.Errorf("wrote %q for nothing", got)
		}
		s.edit("Deployment", nil)
		if got := correct(true); got != "Deployment inventory" {
			t.Errorf("what was deleted: wrote %q", got)
		}
		s.edit("Deployment", replicas(9))
		if got := correct(true); got != "" {
			t.Errorf("more replicas, carefully: wrote %q", got)
		}
		if got := correct(false); got != "Deployment inventory" {
			t.Errorf("more replicas: wrote %q", got)
		}
	})
}

func TestContains(t *testing.T) {
	for _, c := range []struct {
		have, want string
		is         bool
	}{
		{`{"a":1,"b":{"c":[{"d":1,"e":2}]}}`, `{"b":{"c":[{"d":1}]}}`, true},
		{`{"a":1}`, `{"a":2}`, false},
		{`{"a":[1,2]}`, `{"a":[1]}`, false},
		{`{"a":"x"}`, `{"a":{"b":1}}`, false},
		{`{}`, `{"a":{}}`, true},
		{`{}`, `{"a":[]}`, false},
	} {
		var have, want any
		if json.Unmarshal([]byte(c.have), &have) != nil || json.Unmarshal([]byte(c.want), &want) != nil {
			t.Fatal(c)
		}
		if contains(have, want) != c.is {
			t.Errorf("%s in %s: %v", c.want, c.have, !c.is)
		}
	}
}
