package landing

import (
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
