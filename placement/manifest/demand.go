package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// component is one object that makes pods.
type component struct {
	object      int    // index in the objects
	kind        string // of the object
	replicas    int64
	completions *int64 // of Jobs; nil when not set
	pod         podSpec
}

// workloadObject is what is read of an object that makes pods.
type workloadObject struct {
	Spec struct {
		podSpec
		jobSpec
		Replicas    *int64   `json:"replicas"`
		Template    template `json:"template"`
		JobTemplate struct {
			Spec struct {
				jobSpec
				Template template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type jobSpec struct {
	Parallelism *int64 `json:"parallelism"`
	Completions *int64 `json:"completions"`
}

type template struct {
	Spec podSpec `json:"spec"`
}

// DemandOf sums what the objects of a workload ask for. The error names the
// object and the field that cannot be read.
func DemandOf(objects []federation.Object) (placement.Demand, error) {
	d := placement.Demand{Kinds: kindsOf(objects)}
	all, err := components(objects)
	if err != nil {
		return placement.Demand{}, err
	}
	var total federation.Resources
	for i := range all {
		c := &all[i]
		need, err := c.pod.demand()
		if err != nil {
			return placement.Demand{}, fmt.Errorf("read demand of %s: %w", objects[c.object].ID(), err)
		}
		if c.kind == "DaemonSet" {
			d.PerNode = plus(d.PerNode, need)
			continue
		}
		d.Replicated = true
		d.Replicas = max(d.Replicas, c.replicas)
		total = plus(total, times(need, c.replicas))
	}
	if d.Replicas > 0 {
		d.PerReplica = dividedBy(total, d.Replicas)
	}
	d.Tolerations = common(all, d.Replicated)
	return d, nil
}

// common are the tolerations that all pods have which are counted: those of DaemonSets
// only when nothing else makes pods.
func common(all []component, replicated bool) []federation.Toleration {
	var out []federation.Toleration
	first := true
	for i := range all {
		own := all[i].pod.Tolerations
		switch {
		case replicated && all[i].kind == "DaemonSet":
		case first:
			out, first = slices.Clone(own), false
		default:
			out = slices.DeleteFunc(out, func(t federation.Toleration) bool {
				return !slices.ContainsFunc(own, func(o federation.Toleration) bool { return reflect.DeepEqual(o, t) })
			})
		}
	}
	return out
}

// components reads the objects that make pods.
func components(objects []federation.Object) ([]component, error) {
	var out []component
	for i := range objects {
		if !makesPods(&objects[i]) {
			continue
		}
		c, err := readComponent(&objects[i])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", objects[i].ID(), err)
		}
		c.object = i
		out = append(out, c)
	}
	return out, nil
}

func makesPods(o *federation.Object) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	switch o.Kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet":
		return group == "apps"
	case "Job", "CronJob":
		return group == "batch"
	case "Pod", "ReplicationController":
		return o.APIVersion == "v1"
	}
	return false
}

func readComponent(o *federation.Object) (component, error) {
	var w workloadObject
	if err := json.Unmarshal(o.Raw, &w); err != nil {
		return component{}, err
	}
	c := component{kind: o.Kind, replicas: 1, pod: w.Spec.Template.Spec}
	switch o.Kind {
	case "Pod":
		c.pod = w.Spec.podSpec
	case "Job":
		c.setJob(w.Spec.jobSpec)
	case "CronJob":
		c.setJob(w.Spec.JobTemplate.Spec.jobSpec)
		c.pod = w.Spec.JobTemplate.Spec.Template.Spec
	case "DaemonSet":
		c.replicas = 0
	default:
		if w.Spec.Replicas != nil {
			c.replicas = *w.Spec.Replicas
		}
	}
	if c.completions != nil && (*c.completions < 0 || *c.completions > math.MaxInt32) {
		return component{}, fmt.Errorf("completions %d: want 0 to %d", *c.completions, math.MaxInt32)
	}
	if c.replicas < 0 || c.replicas > placement.MaxReplicas {
		return component{}, fmt.Errorf("replicas %d: want 0 to %d", c.replicas, placement.MaxReplicas)
	}
	return c, nil
}

// setJob reads parallelism, of which completions may need less.
func (c *component) setJob(j jobSpec) {
	if j.Parallelism != nil {
		c.replicas = *j.Parallelism
	}
	c.completions = j.Completions
	if j.Completions != nil {
		c.replicas = min(c.replicas, *j.Completions)
	}
}

// kindsOf lists the API kinds that a member has to serve already: those of the
// objects, without those that CRDs among them bring along.
func kindsOf(objects []federation.Object) []string {
	own := map[string]bool{}
	for i := range objects {
		if objects[i].Kind == "CustomResourceDefinition" {
			addDefined(own, objects[i].Raw)
		}
	}
	var kinds []string
	for i := range objects {
		if kind := objects[i].APIVersion + "/" + objects[i].Kind; !own[kind] {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// addDefined notes the kinds that a CRD defines. One that cannot be read defines
// none; the member's API server will say why.
func addDefined(own map[string]bool, raw json.RawMessage) {
	var crd struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
			Versions []named `json:"versions"`
		} `json:"spec"`
	}
	if json.Unmarshal(raw, &crd) != nil {
		return
	}
	for _, v := range crd.Spec.Versions {
		own[crd.Spec.Group+"/"+v.Name+"/"+crd.Spec.Names.Kind] = true
	}
}

func times(r federation.Resources, n int64) federation.Resources {
	return combine(r, federation.Resources{}, func(x, _ int64) int64 { return saturated(x, n) })
}

// saturated multiplies without overflow; amounts are never negative.
func saturated(x, n int64) int64 {
	if n != 0 && x > maxAmount/n {
		return maxAmount
	}
	return x * n
}

func dividedBy(r federation.Resources, n int64) federation.Resources {
	return combine(r, federation.Resources{}, func(x, _ int64) int64 { return (x + n - 1) / n })
}
