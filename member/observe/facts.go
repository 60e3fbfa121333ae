package observe

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// Node is what matters of a node.
type Node struct {
	Name        string
	Ready       bool
	Schedulable bool   // not cordoned
	Class       string // instance type; may be empty
	Kind        string // "simulated", "containerd"; empty means a real one we did not start
	Zone        string
	Allocatable federation.Resources
	// Taints that keep pods away which do not tolerate them, sorted.
	Taints []federation.Taint
}

// Pod is what matters of a pod that has not ended.
type Pod struct {
	Node     string // empty while it is not scheduled
	Requests federation.Resources
}

// Cluster is a picture of a cluster.
type Cluster struct {
	Version string   // of Kubernetes
	Kinds   []string // API kinds served, "apps/v1/Deployment"
	Nodes   []Node
	Pods    []Pod
	Quotas  []Quota
}

// Quota is one ResourceQuota without scopes: its limits and what is used of them,
// by the names of Kubernetes ("requests.cpu", "cpu", "pods", …), thousandths of a
// core for CPU.
type Quota struct {
	Namespace  string
	Hard, Used map[string]int64
}

const (
	// maxFree bounds how many nodes of a class are told one by one.
	maxFree = 64
	// maxTainted bounds how many classes of nodes with taints are told.
	maxTainted = 16
)

// Facts sums a cluster up. Member, Incarnation, Sequence and ObservedAt are the
// caller's to set.
func Facts(c Cluster) federation.MemberFacts {
	used := map[string]federation.Resources{}
	for _, p := range c.Pods {
		if p.Node != "" {
			r := p.Requests
			r.Pods = 1
			used[p.Node] = add(used[p.Node], r)
		}
	}
	f := federation.MemberFacts{KubernetesVersion: c.Version, Kinds: slices.Sorted(slices.Values(c.Kinds)), Nodes: int64(len(c.Nodes))}
	classes, tainted := map[string]*federation.NodeClass{}, map[string]*federation.NodeClass{}
	for _, n := range c.Nodes {
		kind := cmp.Or(n.Kind, "attached")
		f.NodeKind = kindOfAll(f.NodeKind, kind)
		if f.NodeKinds == nil {
			f.NodeKinds = map[string]int64{}
		}
		f.NodeKinds[kind]++
		if !n.Ready {
			continue
		}
		f.NodesReady++
		if !n.Schedulable {
			continue
		}
		free := subtract(n.Allocatable, used[n.Name])
		if len(n.Taints) > 0 {
			addToClass(tainted, n, free)
			continue
		}
		f.Allocatable, f.Free = add(f.Allocatable, n.Allocatable), add(f.Free, free)
		addToClass(classes, n, free)
	}
	f.Classes, f.Tainted = finished(classes), largest(finished(tainted))
	f.Quotas = quotas(c.Quotas)
	return f
}

func finished(classes map[string]*federation.NodeClass) []federation.NodeClass {
	var out []federation.NodeClass
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		out = append(out, finish(*classes[name]))
	}
	return out
}

// largest are the classes with the most nodes, as many as are told.
func largest(classes []federation.NodeClass) []federation.NodeClass {
	slices.SortStableFunc(classes, func(a, b federation.NodeClass) int { return cmp.Compare(b.Nodes, a.Nodes) })
	return slices.Clip(classes[:min(len(classes), maxTainted)])
}

// quotas is what all quotas of a namespace together still allow.
func quotas(all []Quota) []federation.Quota {
	left := map[string]map[string]int64{}
	for _, q := range all {
		for name, hard := range q.Hard {
			resource, ok := quotaResource(name)
			if !ok {
				continue
			}
			if left[q.Namespace] == nil {
				left[q.Namespace] = map[string]int64{}
			}
			free := max(0, hard-q.Used[name])
			if least, bounded := left[q.Namespace][resource]; !bounded || free < least {
				left[q.Namespace][resource] = free
			}
		}
	}
	var out []federation.Quota
	for _, namespace := range slices.Sorted(maps.Keys(left)) {
		out = append(out, federation.Quota{Namespace: namespace, Free: left[namespace]})
	}
	return out
}

// quotaResource is the resource that a limit bounds, as pods request it; false for
// limits on other things.
func quotaResource(name string) (string, bool) {
	plain, requests := strings.CutPrefix(name, "requests.")
	switch {
	case plain == "cpu" || plain == "memory":
		return plain, true
	case name == "pods" || name == "count/pods":
		return "pods", true
	}
	return plain, requests && strings.Contains(plain, "/")
}

func kindOfAll(before, next string) string {
	if before == "" || before == next {
		return next
	}
	return "mixed"
}

func addToClass(classes map[string]*federation.NodeClass, n Node, free federation.Resources) {
	name := n.Class + "/" + fingerprint(n.Allocatable)
	key := fmt.Sprint(name, n.Taints)
	c := classes[key]
	if c == nil {
		c = &federation.NodeClass{Name: name, Allocatable: n.Allocatable, Taints: n.Taints}
		classes[key] = c
	}
	c.Nodes++
	c.Room = add(c.Room, free)
	c.Free = append(c.Free, free)
}

// finish orders the nodes of a class by free room and keeps the largest.
func finish(c federation.NodeClass) federation.NodeClass {
	slices.SortStableFunc(c.Free, func(a, b federation.Resources) int {
		return cmp.Or(cmp.Compare(b.MilliCPU, a.MilliCPU), cmp.Compare(b.MemoryBytes, a.MemoryBytes), cmp.Compare(b.Pods, a.Pods))
	})
	c.Free = slices.Clone(c.Free[:min(len(c.Free), maxFree)])
	return c
}

// fingerprint tells apart nodes of one instance type with different room.
func fingerprint(r federation.Resources) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d %d", r.MilliCPU, r.MemoryBytes, r.Pods)
	for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
		fmt.Fprintf(h, " %s=%d", name, r.Extended[name])
	}
	return fmt.Sprintf("%08x", h.Sum32())
}

func add(a, b federation.Resources) federation.Resources {
	return combine(a, b, func(x, y int64) int64 { return x + y })
}

// subtract never goes below zero: a node may be overcommitted.
func subtract(a, b federation.Resources) federation.Resources {
	return combine(a, b, func(x, y int64) int64 { return max(0, x-y) })
}

func combine(a, b federation.Resources, f func(x, y int64) int64) federation.Resources {
	out := federation.Resources{
		MilliCPU: f(a.MilliCPU, b.MilliCPU), MemoryBytes: f(a.MemoryBytes, b.MemoryBytes), Pods: f(a.Pods, b.Pods),
	}
	for _, m := range []map[string]int64{a.Extended, b.Extended} {
		for name := range m {
			if out.Extended == nil {
				out.Extended = map[string]int64{}
			}
			out.Extended[name] = f(a.Extended[name], b.Extended[name])
		}
	}
	return out
}

// SameFacts reports whether two reports say the same, whenever they were taken.
func SameFacts(a, b federation.MemberFacts) bool {
	return a.KubernetesVersion == b.KubernetesVersion && a.Nodes == b.Nodes && a.NodesReady == b.NodesReady &&
		maps.Equal(a.NodeKinds, b.NodeKinds) && slices.Equal(a.Kinds, b.Kinds) && slices.EqualFunc(a.Classes, b.Classes, sameClass) && slices.EqualFunc(a.Tainted, b.Tainted, sameClass) &&
		slices.EqualFunc(a.Quotas, b.Quotas, sameQuota)
}

func sameQuota(a, b federation.Quota) bool {
	return a.Namespace == b.Namespace && maps.Equal(a.Free, b.Free)
}

func sameClass(a, b federation.NodeClass) bool {
	return a.Name == b.Name && a.Nodes == b.Nodes && slices.Equal(a.Taints, b.Taints) && same(a.Room, b.Room) && slices.EqualFunc(a.Free, b.Free, same)
}

func same(a, b federation.Resources) bool {
	return a.MilliCPU == b.MilliCPU && a.MemoryBytes == b.MemoryBytes && a.Pods == b.Pods && maps.Equal(a.Extended, b.Extended)
}
