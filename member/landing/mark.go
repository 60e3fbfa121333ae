package landing

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// mark says on the object who made it. A namespace is shared by workloads, so it
// names none. Labels and annotations that are no text stay as they are, for the API
// server to refuse.
func mark(u *unstructured.Unstructured, w federation.Work) error {
	if err := setText(u, "true", "labels", kube.ManagedLabel); err != nil {
		return err
	}
	if u.GetKind() == "Namespace" {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", workloadAnnotation)
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", epochAnnotation)
		return nil
	}
	if err := setText(u, w.Workload.String(), "annotations", workloadAnnotation); err != nil {
		return err
	}
	return setText(u, strconv.FormatUint(uint64(w.Epoch), 10), "annotations", epochAnnotation)
}

// setText sets one label or annotation.
func setText(u *unstructured.Unstructured, value, group, key string) error {
	if all, there, _ := unstructured.NestedFieldNoCopy(u.Object, "metadata", group); there && all == nil {
		unstructured.RemoveNestedField(u.Object, "metadata", group)
	}
	return unstructured.SetNestedField(u.Object, value, "metadata", group, key)
}

// leaveFilled takes away what is the cluster's to say: what one API server has noted about
// an object that was read from it, which another refuses, and what would be overwritten
// again and again: the rules of a ClusterRole that says which others it is made of.
func leaveFilled(u *unstructured.Unstructured) {
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	if u.GetKind() == "ClusterRole" && u.Object["aggregationRule"] != nil {
		delete(u.Object, "rules")
	}
}
