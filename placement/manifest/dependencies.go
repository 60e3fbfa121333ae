package manifest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// Ref names an object of the core API (v1) that a workload needs beside it.
type Ref struct {
	Kind      string // ConfigMap, Secret, ServiceAccount or PersistentVolumeClaim
	Namespace string
	Name      string
	Optional  bool // the pods start without it
}

// Dependencies lists what the pod templates of the objects name: ConfigMaps and
// Secrets of volumes and environment, image pull secrets, ServiceAccounts other
// than "default", and PersistentVolumeClaims. Sorted, each once; one that is
// required anywhere is not Optional. Objects that are among the arguments
// themselves are listed as well.
func Dependencies(objects []federation.Object) ([]Ref, error) {
	all, err := components(objects)
	if err != nil {
		return nil, fmt.Errorf("find dependencies: %w", err)
	}
	found := map[Ref]bool{} // without Optional → optional
	for i := range all {
		add := func(kind, name string, optional bool) {
			if name == "" {
				return
			}
			ref := Ref{Kind: kind, Namespace: objects[all[i].object].Namespace, Name: name}
			before, known := found[ref]
			found[ref] = optional && (before || !known)
		}
		all[i].pod.eachRef(add)
	}
	out := make([]Ref, 0, len(found))
	for ref, optional := range found {
		ref.Optional = optional
		out = append(out, ref)
	}
	slices.SortFunc(out, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

func (p *podSpec) eachRef(add func(kind, name string, optional bool)) {
	if p.ServiceAccountName != "default" {
		add("ServiceAccount", p.ServiceAccountName, false)
	}
	for _, s := range p.ImagePullSecrets {
		add("Secret", s.Name, false)
	}
	for _, list := range [][]container{p.InitContainers, p.Containers} {
		for i := range list {
			list[i].eachRef(add)
		}
	}
	for i := range p.Volumes {
		p.Volumes[i].eachRef(add)
	}
}

func (c *container) eachRef(add func(kind, name string, optional bool)) {
	for i := range c.Env {
		addNamed(add, "ConfigMap", c.Env[i].ValueFrom.ConfigMapKeyRef)
		addNamed(add, "Secret", c.Env[i].ValueFrom.SecretKeyRef)
	}
	for i := range c.EnvFrom {
		addNamed(add, "ConfigMap", c.EnvFrom[i].ConfigMapRef)
		addNamed(add, "Secret", c.EnvFrom[i].SecretRef)
	}
}

func (v *volume) eachRef(add func(kind, name string, optional bool)) {
	addNamed(add, "ConfigMap", v.ConfigMap)
	if v.Secret != nil {
		add("Secret", v.Secret.SecretName, v.Secret.Optional)
	}
	if v.PersistentVolumeClaim != nil {
		add("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName, false)
	}
	if v.Projected == nil {
		return
	}
	for i := range v.Projected.Sources {
		addNamed(add, "ConfigMap", v.Projected.Sources[i].ConfigMap)
		addNamed(add, "Secret", v.Projected.Sources[i].Secret)
	}
}

func addNamed(add func(kind, name string, optional bool), kind string, ref *named) {
	if ref != nil {
		add(kind, ref.Name, ref.Optional)
	}
}
