package landings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
)

// site is a lander on a real cluster, without hub and agent; the kubeconfig is for
// others who change things there.
type site struct {
	*landing.Lander
	client     *kube.Client
	kubeconfig string
	writes     *recorder
	stop       func() // nothing is landed any more

	end time.Time // no wait lasts beyond it, if it is set

	mu       sync.Mutex
	done     map[orderID]chan struct{} // closed when an order is carried out
	careless map[federation.Key]bool   // what has changed and was not looked at
	changed  chan struct{}
}

// orderID is what one order of a test has alone.
type orderID struct {
	do       landing.Verb
	revision federation.Revision
}

// TestLanding shows each rule of landing against a real API server.
func TestLanding(t *testing.T) {
	s := openSite(t, startCluster(t, config.Nodes{Count: 2}))
	for _, rule := range []struct {
		name  string
		check func(*testing.T, *site)
	}{
		{"takeover", checkTakeover},
		{"drift", checkDrift},
		{"immutable", checkImmutable},
		{"twice", checkTwice},
		{"order", checkOrder},
		{"deletion", checkDeletion},
		{"namespaces", checkNamespaces},
		{"pods", checkPods},
		{"rules", checkRules},
		{"autoscaler", checkAutoscaler},
		{"sets", checkSets},
		{"let go", checkLetGo},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, s) })
	}
}

func openSite(t testing.TB, kubeconfig string) *site {
	t.Helper()
	s := &site{kubeconfig: kubeconfig, done: map[orderID]chan struct{}{}, careless: map[federation.Key]bool{}, changed: make(chan struct{}, 1)}
	var err error
	if s.client, err = kube.Open(kubeconfig, ""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.client.InstallServiceAPI(ctx); err != nil {
		t.Fatal(err)
	}
	watch := s.client.Watch(func(what kube.What, u kube.Annotated) {
		if what != kube.Landed {
			return
		}
		if u == nil {
			for _, k := range s.Workloads() {
				s.note(k)
			}
		} else if k, ok := landing.Owner(u); ok {
			s.note(k)
		}
	})
	s.writes = &recorder{Client: s.client}
	s.Lander = landing.New(landing.Options{
		Cluster: s.writes, Views: watch, Done: s.carriedOut, Changed: s.note,
		Patience: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err := s.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	synced := make(chan struct{})
	running.Go(func() { _ = watch.Run(ctx, func() { close(synced) }) })
	running.Go(func() { _ = s.Run(ctx) })
	running.Go(func() { s.correct(ctx) })
	s.stop = func() { cancel(); running.Wait() }
	t.Cleanup(s.stop)
	<-synced
	return s
}

func (s *site) note(k federation.Key) {
	s.mu.Lock()
	s.careless[k] = true
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// correct does what an agent does when something has changed.
func (s *site) correct(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-tick.C:
		}
		s.mu.Lock()
		for k := range s.careless {
			if s.Correct(k, time.Now(), false).IsZero() {
				delete(s.careless, k)
			}
		}
		s.mu.Unlock()
	}
}

// revisions count the orders of this test.
var revisions federation.Revision

// order makes an order to land YAML documents.
func order(t testing.TB, name string, spec federation.LandingSpec, text string) landing.Order {
	t.Helper()
	revisions++
	w := federation.Work{
		Workload: federation.Key{Namespace: "shop", Name: name}, Epoch: 1, WorkloadRevision: revisions, Replicas: 1,
		Landing: federation.PlacementSpec{Landing: spec}.Defaulted().Landing,
	}
	for _, doc := range strings.Split(text, "\n---\n") {
		raw, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var u unstructured.Unstructured
		if err := json.Unmarshal(raw, &u.Object); err != nil {
			t.Fatal(err)
		}
		w.Objects = append(w.Objects, federation.Object{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(), Raw: raw})
	}
	return landing.Order{Do: landing.Land, Work: w, Revision: revisions, Prune: true}
}

// carry gives an order and waits until it is carried out.
func (s *site) carry(t testing.TB, o landing.Order) {
	t.Helper()
	s.give(o)
	s.carried(t, o)
}

func (s *site) give(o landing.Order) {
	s.mu.Lock()
	s.done[orderID{o.Do, o.Revision}] = make(chan struct{})
	s.mu.Unlock()
	s.Give(o)
}

// carriedOut notes the end of an order; one that was given again ends again.
func (s *site) carriedOut(o landing.Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.done[orderID{o.Do, o.Revision}]; done != nil {
		close(done)
		delete(s.done, orderID{o.Do, o.Revision})
	}
}

// carried waits until an order that was given is carried out.
func (s *site) carried(t testing.TB, o landing.Order) {
	t.Helper()
	s.mu.Lock()
	done := s.done[orderID{o.Do, o.Revision}]
	s.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-time.After(time.Until(s.bound())):
		status, _ := s.Status(o.Work.Workload)
		t.Fatalf("%s %s is not carried out: %s %s", o.Do, o.Work.Workload, status.State, status.Message)
	}
}

func (s *site) remove(t *testing.T, o landing.Order) {
	t.Helper()
	o.Do = landing.Remove
	s.carry(t, o)
}

// bound is when a wait that begins now ends at last.
func (s *site) bound() time.Time {
	if !s.end.IsZero() {
		return s.end
	}
	return time.Now().Add(settleBound)
}

// until waits until the status is as it should be.
func (s *site) until(t *testing.T, o landing.Order, what string, good func(federation.WorkStatus) bool) federation.WorkStatus {
	t.Helper()
	var status federation.WorkStatus
	for end := s.bound(); ; <-time.After(20 * time.Millisecond) {
		status, _ = s.Status(o.Work.Workload)
		if good(status) {
			return status
		}
		if time.Now().After(end) {
			break
		}
	}
	t.Fatalf("%s never %s: %+v", o.Work.Workload, what, status)
	return status
}

// says waits until the message of the work has the text.
func (s *site) says(t *testing.T, o landing.Order, text string) {
	t.Helper()
	s.until(t, o, "says "+text, func(w federation.WorkStatus) bool { return strings.Contains(w.Message, text) })
}

// kubectl is somebody else. What it finds out about this API server is kept beside the
// kubeconfig: in the home directory it would hold for the next one at the same port too.
func (s *site) kubectl(t testing.TB, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "kubectl"), append([]string{"--kubeconfig", s.kubeconfig, "--cache-dir", s.kubeconfig + ".cache"}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *site) there(t *testing.T, kind, name string) bool {
	t.Helper()
	return s.kubectl(t, "-n", "shop", "get", kind, name, "--ignore-not-found", "-o", "name") != ""
}

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: %s, labels: {app: %s}}\ndata: {greeting: %q}", name, name, value)
}

func web(name string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: %[1]s, labels: {app: %[1]s}}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: main, image: "example/main:1", ports: [{containerPort: 80}]}]}`, name, replicas)
}

// await waits until get returns what is wanted.
func (s *site) await(t testing.TB, want string, get func() string) {
	t.Helper()
	got := ""
	for end := s.bound(); ; <-time.After(50 * time.Millisecond) {
		if got = get(); got == want {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	t.Fatalf("got %q, want %q", got, want)
}
