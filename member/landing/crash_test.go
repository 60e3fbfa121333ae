package landing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// mortal is an API server as a process sees it that is killed: one write is the last,
// which is carried out or not, and nobody hears of it.
type mortal struct {
	*apiServer
	kill       int // the number of the last write
	carriedOut bool
	writes     int // that were asked for
	dead       chan struct{}
}

var errKilled = errors.New("killed")

func (m *mortal) write(what func() error) error {
	m.mu.Lock()
	m.writes++
	left := m.kill - m.writes
	m.mu.Unlock()
	if left > 0 || left == 0 && m.carriedOut {
		if err := what(); left > 0 {
			return err
		}
	}
	if left == 0 {
		close(m.dead)
	}
	return errKilled
}

func (m *mortal) Create(ctx context.Context, u *unstructured.Unstructured) (out *unstructured.Unstructured, err error) {
	err = m.write(func() (err error) { out, err = m.apiServer.Create(ctx, u); return err })
	return out, err
}

func (m *mortal) Apply(ctx context.Context, u *unstructured.Unstructured, dryRun bool) (out *unstructured.Unstructured, err error) {
	err = m.write(func() (err error) { out, err = m.apiServer.Apply(ctx, u, dryRun); return err })
	return out, err
}

func (m *mortal) Merge(ctx context.Context, r kube.Ref, patch []byte) error {
	return m.write(func() error { return m.apiServer.Merge(ctx, r, patch) })
}

func (m *mortal) Delete(ctx context.Context, r kube.Ref, uid types.UID, policy metav1.DeletionPropagation) error {
	return m.write(func() error { return m.apiServer.Delete(ctx, r, uid, policy) })
}

// TestKilledAtEachWrite kills the agent at every write of a history in which works come,
// change, lose objects and go. The next life must know of each object that Hansa has
// made, must be able to take all of it away, and must leave what others have made.
func TestKilledAtEachWrite(t *testing.T) {
	for _, carriedOut := range []bool{false, true} {
		writes := 1 << 20 // of the whole history, once one life has come to its end
		for at := 1; at <= writes; at++ {
			synctest.Test(t, func(t *testing.T) {
				s := newAPIServer()
				theirs := object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop","name":"theirs"}}`)
				if _, err := s.Create(t.Context(), theirs); err != nil {
					t.Fatal(err)
				}
				m := &mortal{apiServer: s, kill: at, carriedOut: carriedOut, dead: make(chan struct{})}
				if !history(t, m) {
					writes = m.writes
				}
				afterwards(t, s, fmt.Sprintf("killed at write %d, carried out %v", at, carriedOut))
			})
		}
		if writes < 20 || writes == 1<<20 {
			t.Errorf("the history had %d writes", writes)
		}
	}
}

// work of some objects, of a workload by that name.
func bundle(name string, r federation.Revision, kinds ...string) Order {
	o := Order{Do: Land, Revision: r, Prune: true, Work: federation.Work{
		Workload: federation.Key{Namespace: "shop", Name: name}, Epoch: 1, WorkloadRevision: r,
	}}
	for _, kind := range kinds {
		o.Work.Objects = append(o.Work.Objects, federation.Object{APIVersion: "v1", Kind: kind, Namespace: "shop", Name: name, Raw: []byte(fmt.Sprintf(
			`{"apiVersion":"v1","kind":%q,"metadata":{"namespace":"shop","name":%q},"data":{"r":"%d"}}`, kind, name, r))})
	}
	return o
}

// history is one life; it reports whether that was killed.
func history(t *testing.T, m *mortal) (killed bool) {
	done := make(chan Order, 64)
	l := New(lifeOptions(m, m.apiServer, done))
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	if l.Prepare(ctx) != nil {
		return true
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	gone := bundle("a", 0)
	gone.Do = Remove
	for _, orders := range [][]Order{
		{bundle("a", 1, "ConfigMap", "Secret"), bundle("b", 2, "ConfigMap"), bundle("c", 3, "Service")},
		{bundle("a", 4, "ConfigMap", "Service"), bundle("b", 5, "Secret")},
		{gone, bundle("d", 6, "ConfigMap")},
	} {
		for _, o := range orders {
			l.Give(o)
		}
		for range orders {
			select {
			case <-done:
			case <-m.dead:
				kill()
				<-ended
				return true
			}
		}
		select {
		case <-time.After(2 * journalRest): // the shards are written
		case <-m.dead:
		}
	}
	kill()
	<-ended
	return m.writes >= m.kill
}

func lifeOptions(c Cluster, v Views, done chan Order) Options {
	return Options{Cluster: c, Views: v, Done: func(o Order) { done <- o }, Changed: func(federation.Key) {}, Logger: slog.New(slog.DiscardHandler)}
}

// afterwards is the next life.
func afterwards(t *testing.T, s *apiServer, when string) {
	l := begin(t, s)
	defer l.end()
	listed := map[kube.Ref]bool{}
	for _, k := range l.Workloads() {
		inv, _ := l.inventory(k)
		for _, item := range inv.Items {
			listed[item.Ref] = true
		}
	}
	for r, u := range s.objects {
		if ours(u) && !listed[r] {
			t.Errorf("%s: %s is forgotten", when, r)
		}
	}
	for _, k := range l.Workloads() {
		l.land(Order{Do: Remove, Work: federation.Work{Workload: k, Epoch: 9}})
	}
	var left []string
	for r := range s.objects {
		if r.Namespace != Namespace && r.Name != Namespace {
			left = append(left, r.String())
		}
	}
	slices.Sort(left)
	if got := strings.Join(left, ", "); got != "ConfigMap shop/theirs" {
		t.Errorf("%s: at the end there are %s", when, got)
	}
}
