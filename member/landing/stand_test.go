package landing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// apiServer keeps objects, and is seen at once by its caches.
type apiServer struct {
	mu      sync.Mutex
	objects map[kube.Ref]*unstructured.Unstructured
	version int
	wrote   []string // names of the kinds of objects that were written, and "inventory"
}

func newAPIServer() *apiServer {
	return &apiServer{objects: map[kube.Ref]*unstructured.Unstructured{}}
}

// put stores an object as the server would. apiServer.mu is held.
func (s *apiServer) put(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	r := kube.RefOf(u)
	old := s.objects[r]
	s.version++
	u.SetResourceVersion(strconv.Itoa(s.version))
	u.SetUID(types.UID(fmt.Sprint("uid-", s.version)))
	counts := strings.HasPrefix(r.APIVersion, "apps/")
	if counts {
		u.SetGeneration(1)
	}
	if old != nil {
		u.SetUID(old.GetUID())
		if same, _ := json.Marshal(old.Object["spec"]); counts {
			now, _ := json.Marshal(u.Object["spec"])
			u.SetGeneration(old.GetGeneration())
			if string(same) != string(now) {
				u.SetGeneration(old.GetGeneration() + 1)
			}
		}
	}
	s.objects[r] = u
	return u.DeepCopy()
}

func (s *apiServer) note(r kube.Ref) {
	kind := r.Kind
	if r.Namespace == Namespace {
		kind = "inventory"
	}
	s.wrote = append(s.wrote, kind)
}

// edit lets somebody else change an object, or delete it.
func (s *apiServer) edit(kind string, change func(*unstructured.Unstructured)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, u := range s.objects {
		if r.Kind != kind || r.Namespace != "shop" {
			continue
		}
		if change == nil {
			delete(s.objects, r)
			continue
		}
		u = u.DeepCopy()
		change(u)
		s.put(u)
	}
}

// written lists what was written since the last time.
func (s *apiServer) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.wrote = nil }()
	slices.Sort(s.wrote)
	return strings.Join(slices.Compact(s.wrote), " ")
}

func (s *apiServer) Get(_ context.Context, r kube.Ref) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.objects[r]; u != nil {
		return u.DeepCopy(), nil
	}
	return nil, kube.ErrNotFound
}

func (s *apiServer) List(_ context.Context, r kube.Ref, _ string) (out []unstructured.Unstructured, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, u := range s.objects {
		if at.Kind == r.Kind && at.Namespace == r.Namespace {
			out = append(out, *u.DeepCopy())
		}
	}
	return out, nil
}

func (s *apiServer) NamespaceUsers(context.Context, string) (string, error) { return "", nil }

func (s *apiServer) Create(_ context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[kube.RefOf(u)] != nil {
		return nil, kube.ErrExists
	}
	s.note(kube.RefOf(u))
	return s.put(u), nil
}

func (s *apiServer) Adopt(context.Context, kube.Ref) error { return nil }

func (s *apiServer) Apply(_ context.Context, u *unstructured.Unstructured, _ bool) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(kube.RefOf(u))
	return s.put(u), nil
}

func (s *apiServer) Merge(_ context.Context, r kube.Ref, patch []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[r] == nil {
		return kube.ErrNotFound
	}
	s.note(r)
	var change struct{ Data map[string]any }
	if err := json.Unmarshal(patch, &change); err != nil {
		return err
	}
	data, _, err := unstructured.NestedMap(s.objects[r].Object, "data")
	for field, text := range change.Data {
		if data[field] = text; text == nil {
			delete(data, field)
		}
	}
	s.objects[r].Object["data"] = data
	return err
}

func (s *apiServer) Delete(_ context.Context, r kube.Ref, _ types.UID, _ metav1.DeletionPropagation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(r)
	delete(s.objects, r)
	return nil
}

func (s *apiServer) Follow(kube.Ref) error { return nil }

func (s *apiServer) Lookup(r kube.Ref, _ string) (*unstructured.Unstructured, bool) {
	u, err := s.Get(context.Background(), r)
	return u, err == nil || u == nil
}

func (s *apiServer) Unscheduled(kube.Ref) int64 { return 0 }

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
