package manifest

import (
	"fmt"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// podSpec is the part of a pod template that demand and dependencies read.
type podSpec struct {
	InitContainers     []container             `json:"initContainers"`
	Containers         []container             `json:"containers"`
	Overhead           map[string]quantity     `json:"overhead"`
	Resources          resources               `json:"resources"`
	ServiceAccountName string                  `json:"serviceAccountName"`
	ImagePullSecrets   []named                 `json:"imagePullSecrets"`
	Volumes            []volume                `json:"volumes"`
	Tolerations        []federation.Toleration `json:"tolerations"`
}

type container struct {
	Name          string    `json:"name"`
	RestartPolicy string    `json:"restartPolicy"`
	Resources     resources `json:"resources"`
	Env           []struct {
		ValueFrom struct {
			ConfigMapKeyRef *named `json:"configMapKeyRef"`
			SecretKeyRef    *named `json:"secretKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
	EnvFrom []struct {
		ConfigMapRef *named `json:"configMapRef"`
		SecretRef    *named `json:"secretRef"`
	} `json:"envFrom"`
}

type resources struct {
	Requests map[string]quantity `json:"requests"`
	Limits   map[string]quantity `json:"limits"`
}

type named struct {
	Name     string `json:"name"`
	Optional bool   `json:"optional"`
}

type volume struct {
	ConfigMap *named `json:"configMap"`
	Secret    *struct {
		SecretName string `json:"secretName"`
		Optional   bool   `json:"optional"`
	} `json:"secret"`
	PersistentVolumeClaim *struct {
		ClaimName string `json:"claimName"`
	} `json:"persistentVolumeClaim"`
	Projected *struct {
		Sources []struct {
			ConfigMap *named `json:"configMap"`
			Secret    *named `json:"secret"`
		} `json:"sources"`
	} `json:"projected"`
}

// demand returns what the scheduler will reserve for one pod: the larger of the
// running containers' sum and of any init container beside the sidecars started
// before it; requests of the pod as a whole replace that; overhead is added.
func (p *podSpec) demand() (federation.Resources, error) {
	var running, starting, sidecars federation.Resources
	for i := range p.InitContainers {
		c := &p.InitContainers[i]
		need, err := c.Resources.demand()
		if err != nil {
			return running, fmt.Errorf("init container %q: %w", c.Name, err)
		}
		if c.RestartPolicy == "Always" {
			sidecars = plus(sidecars, need)
			starting = larger(starting, sidecars)
		} else {
			starting = larger(starting, plus(sidecars, need))
		}
	}
	for i := range p.Containers {
		need, err := p.Containers[i].Resources.demand()
		if err != nil {
			return running, fmt.Errorf("container %q: %w", p.Containers[i].Name, err)
		}
		running = plus(running, need)
	}
	whole, err := p.Resources.demand()
	if err != nil {
		return running, fmt.Errorf("pod resources: %w", err)
	}
	overhead, err := (&resources{Requests: p.Overhead}).demand()
	if err != nil {
		return running, fmt.Errorf("pod overhead: %w", err)
	}
	need := plus(replaced(larger(plus(running, sidecars), starting), whole), overhead)
	need.Pods = 1
	return need, nil
}

// demand reads requests; a resource without a request has that of its limit.
func (r *resources) demand() (federation.Resources, error) {
	var out federation.Resources
	for _, list := range []map[string]quantity{r.Limits, r.Requests} {
		for name, q := range list {
			if err := set(&out, name, q); err != nil {
				return out, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return out, nil
}

// set notes one resource. Extended resources are those with a domain in their
// name; storage and huge pages are the member's own business.
func set(out *federation.Resources, name string, q quantity) error {
	perUnit := int64(1)
	if name == "cpu" {
		perUnit = 1000
	}
	v, err := q.units(perUnit)
	switch {
	case err != nil:
		return err
	case name == "cpu":
		out.MilliCPU = v
	case name == "memory":
		out.MemoryBytes = v
	case strings.Contains(name, "/"):
		if out.Extended == nil {
			out.Extended = map[string]int64{}
		}
		out.Extended[name] = v
	}
	return nil
}

// maxAmount is where sums stop growing: twice of it still fits into 64 bits.
const maxAmount = 1 << 61

func plus(a, b federation.Resources) federation.Resources {
	return combine(a, b, func(x, y int64) int64 { return min(x+y, maxAmount) })
}

func larger(a, b federation.Resources) federation.Resources {
	return combine(a, b, func(x, y int64) int64 { return max(x, y) })
}

// replaced returns a with what b asks for in its place.
func replaced(a, b federation.Resources) federation.Resources {
	return combine(a, b, func(x, y int64) int64 {
		if y > 0 {
			return y
		}
		return x
	})
}

func combine(a, b federation.Resources, f func(x, y int64) int64) federation.Resources {
	out := federation.Resources{
		MilliCPU:    f(a.MilliCPU, b.MilliCPU),
		MemoryBytes: f(a.MemoryBytes, b.MemoryBytes),
		Pods:        f(a.Pods, b.Pods),
	}
	for _, side := range []map[string]int64{a.Extended, b.Extended} {
		for name := range side {
			if out.Extended == nil {
				out.Extended = map[string]int64{}
			}
			out.Extended[name] = f(a.Extended[name], b.Extended[name])
		}
	}
	return out
}
