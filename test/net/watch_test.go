package net

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// cluster is a member's API server, asked from within its own namespace, where no
// fault of the network is.
type cluster struct{ kubernetes.Interface }

// newCluster waits until the cluster can be used.
func newCluster(t *testing.T, name, kubeconfig string) cluster {
	t.Helper()
	var client kubernetes.Interface
	await(t, patience, func() string {
		c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err.Error()
		}
		c.QPS, c.Burst, c.Timeout, c.Dial = -1, -1, 2*time.Second, dial(name)
		if client, err = kubernetes.NewForConfig(c); err != nil {
			return err.Error()
		}
		_, err = client.CoreV1().Namespaces().Get(context.Background(), "default", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	return cluster{client}
}

// pods lists what runs of the tested workloads.
func (c cluster) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// run is the life of one pod of the at-most-one workload, as it was surely seen:
// from the answer of the first question that found it to the last one's asking.
type run struct {
	member, pod string
	from, to    time.Time
}

// watch looks at everything ten times a second for as long as the test runs.
type watch struct {
	mu     sync.Mutex
	health map[string][]string // by member, each state once in turn
	runs   map[string]run      // by the pod's UID
	alive  map[string][]string // members' pods of the at-most-one workload now
	canary map[string]string   // by member, the UID of what must never be deleted
	broken []string
}

func (f *federation) startWatch(t *testing.T) {
	t.Helper()
	w := &watch{health: map[string][]string{}, runs: map[string]run{}, alive: map[string][]string{}, canary: map[string]string{}}
	f.watch = w
	var wait sync.WaitGroup
	every := func(look func()) {
		wait.Go(func() {
			ticks := time.NewTicker(100 * time.Millisecond)
			defer ticks.Stop()
			for t.Context().Err() == nil {
				look()
				select {
				case <-t.Context().Done():
				case <-ticks.C:
				}
			}
		})
	}
	every(func() { w.lookAtMembers(f) })
	for name, c := range f.clusters {
		every(func() { w.lookAtPods(t.Context(), name, c) })
		every(func() { w.lookAtCanary(t.Context(), name, c) })
	}
	t.Cleanup(wait.Wait)
}

func (w *watch) lookAtMembers(f *federation) {
	w.mu.Lock() // also while it asks: forget comes before or after
	defer w.mu.Unlock()
	members, err := f.members()
	if err != nil {
		return // the hub may be dead
	}
	for name, m := range members {
		if seen := w.health[name]; len(seen) == 0 || seen[len(seen)-1] != m.Status.Health {
			w.health[name] = append(seen, m.Status.Health)
		}
	}
}

func (w *watch) lookAtPods(ctx context.Context, member string, c cluster) {
	asked := time.Now()
	pods, err := c.pods(ctx)
	if err != nil {
		return // it may be dead
	}
	answered := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive[member] = nil
	for i := range pods {
		if pods[i].Labels["app"] != single {
			continue
		}
		uid := string(pods[i].UID)
		r, known := w.runs[uid]
		if !known {
			r = run{member: member, pod: pods[i].Name, from: answered}
		}
		r.to = asked
		w.runs[uid] = r
		w.alive[member] = append(w.alive[member], uid)
	}
}

// lookAtCanary: once there, the ConfigMap of a workload that is in every member is
// never deleted and never made anew.
func (w *watch) lookAtCanary(ctx context.Context, member string, c cluster) {
	list, err := c.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + canary})
	if err != nil {
		return
	}
	uid := ""
	for i := range list.Items {
		uid = string(list.Items[i].UID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch before := w.canary[member]; {
	case before == "":
		w.canary[member] = uid
	case before != uid:
		w.broken = append(w.broken, fmt.Sprintf("%s: ConfigMap %s was %s and is %q", member, canary, before, uid))
		w.canary[member] = uid
	}
}

// home is the member with the at-most-one workload; "" when it runs nowhere or twice.
func (w *watch) home() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	home, n := "", 0
	for member, pods := range w.alive {
		if len(pods) > 0 {
			home = member
			n += len(pods)
		}
	}
	if n != 1 {
		return ""
	}
	return home
}

// runsIn reports how many pods of the at-most-one workload a member has.
func (w *watch) runsIn(member string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.alive[member])
}

// forget begins a new history of states, in which every member is healthy.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range memberNames {
		w.health[name] = []string{"Healthy"}
	}
}

// saw returns the states of a member since forget.
func (w *watch) saw(member string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.health[member])
}

// laws says which were broken so far.
func (w *watch) laws() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Clone(w.broken)
	runs := slices.SortedFunc(maps.Values(w.runs), func(a, b run) int { return a.from.Compare(b.from) })
	for i, a := range runs {
		for _, b := range runs[i+1:] {
			if a.member != b.member && b.from.Before(a.to) && a.from.Before(b.to) {
				out = append(out, fmt.Sprintf("%s ran twice: %s in %s until %s, %s in %s from %s", single,
					a.pod, a.member, a.to.Format(time.StampMilli), b.pod, b.member, b.from.Format(time.StampMilli)))
			}
		}
	}
	return out
}
