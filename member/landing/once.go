package landing

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/admit"
)

// podMeta is where objects keep the metadata of the pods that they make, by kind.
var podMeta = map[string][]string{
	"Pod":                   {"metadata"},
	"Deployment":            {"spec", "template", "metadata"},
	"ReplicaSet":            {"spec", "template", "metadata"},
	"StatefulSet":           {"spec", "template", "metadata"},
	"DaemonSet":             {"spec", "template", "metadata"},
	"ReplicationController": {"spec", "template", "metadata"},
	"Job":                   {"spec", "template", "metadata"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template", "metadata"},
}

// markPods lets the API server ask package admit before it stores a pod of the
// workload.
func markPods(u *unstructured.Unstructured, k federation.Key) error {
	at, ok := podMeta[u.GetKind()]
	if !ok {
		return nil
	}
	if err := unstructured.SetNestedField(u.Object, "true", append(append([]string{}, at...), "labels", admit.Label)...); err != nil {
		return err
	}
	return unstructured.SetNestedField(u.Object, k.String(), append(append([]string{}, at...), "annotations", admit.Annotation)...)
}

// guardPods tells the containers of pods that ask for it where they can ask for the
// workload's lease.
func guardPods(u *unstructured.Unstructured, env map[string]string) error {
	at, ok := podMeta[u.GetKind()]
	if !ok || len(env) == 0 {
		return nil
	}
	value, _, err := unstructured.NestedString(u.Object, append(slices.Clone(at), "annotations", admit.Guard)...)
	if err == nil && value == "true" {
		err = addEnv(u, at[:len(at)-1], env)
	}
	return err
}

// addEnv adds variables to every container of the pod, or pod template, at a path.
func addEnv(u *unstructured.Unstructured, pod []string, env map[string]string) error {
	for _, list := range []string{"initContainers", "containers"} {
		path := append(slices.Clone(pod), "spec", list)
		containers, _, err := unstructured.NestedSlice(u.Object, path...)
		if err != nil {
			return err
		}
		for i, c := range containers {
			container, ok := c.(map[string]any)
			if !ok {
				return fmt.Errorf("%s[%d] is no container", list, i)
			}
			have, _, err := unstructured.NestedSlice(container, "env")
			if err != nil {
				return fmt.Errorf("%s[%d]: %w", list, i, err)
			}
			for _, name := range slices.Sorted(maps.Keys(env)) {
				have = append(have, map[string]any{"name": name, "value": env[name]})
			}
			container["env"] = have
		}
		if len(containers) == 0 {
			continue
		}
		if err := unstructured.SetNestedSlice(u.Object, containers, path...); err != nil {
			return err
		}
	}
	return nil
}

// guardEnv is what guarded pods of the workload are told.
func (l *Lander) guardEnv(k federation.Key) map[string]string {
	if l.opts.GuardEnv == nil {
		return nil
	}
	return l.opts.GuardEnv(k)
}
