package landing

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

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

func (s *apiServer) Disown(context.Context, kube.Ref) error { return nil }

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
	if err == nil && !ours(u) {
		return nil, true // caches have what Hansa made
	}
	return u, err == nil || u == nil
}

func (s *apiServer) Unscheduled(kube.Ref) int64 { return 0 }

func (s *apiServer) Troubles(kube.Ref) []string { return nil }
