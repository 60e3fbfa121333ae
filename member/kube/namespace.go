package kube

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hansa-io/hansa/member/imports"
)

// NamespaceUsers returns an object that lives in the namespace beside what
// Kubernetes itself puts there, and what Hansa imports, "Deployment shop/web", or "" when there is none. What
// may not be looked at counts as used.
func (c *Client) NamespaceUsers(ctx context.Context, namespace string) (string, error) {
	kinds, err := c.served.all()
	if err != nil {
		return "", fmt.Errorf("look into namespace %s: %w", namespace, err)
	}
	looked := map[schema.GroupResource]bool{} // in the preferred version, where that has it
	for _, k := range kinds {
		if !k.namespaced || looked[k.GroupResource()] {
			continue
		}
		looked[k.GroupResource()] = true
		if !k.listed || automatic(k.name) {
			continue
		}
		found, err := c.dynamic.Resource(k.GroupVersionResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: "!" + imports.Label, Limit: 5})
		if apierrors.IsForbidden(err) {
			return k.Resource + " that the agent may not list", nil
		}
		if err != nil {
			return "", fmt.Errorf("look into namespace %s for %s: %w", namespace, k.Resource, err)
		}
		if i := slices.IndexFunc(found.Items, madeByUser); i >= 0 {
			return RefOf(&found.Items[i]).String(), nil
		}
	}
	return "", nil
}

// automatic: kinds that Kubernetes itself makes for what others own.
func automatic(kind string) bool {
	return kind == "Event" || kind == "Lease" || kind == "Endpoints" || kind == "EndpointSlice" || kind == "PodMetrics" || kind == "PodCertificateRequest"
}

func madeByUser(u unstructured.Unstructured) bool {
	switch u.GetKind() {
	case "ConfigMap":
		return u.GetName() != "kube-root-ca.crt"
	case "ServiceAccount":
		return u.GetName() != "default"
	}
	return true
}
