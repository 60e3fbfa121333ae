package kube

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/hansa-io/hansa/member/imports"
)

// NamespaceUsers returns an object that lives in the namespace beside what
// Kubernetes itself puts there, and what Hansa imports, "Deployment shop/web", or "" when there is none. What
// may not be looked at counts as used.
func (c *Client) NamespaceUsers(ctx context.Context, namespace string) (string, error) {
	lists, err := discovery.ServerPreferredNamespacedResources(c.typed.Discovery())
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return "", fmt.Errorf("look into namespace %s: %w", namespace, err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return "", fmt.Errorf("look into namespace %s: %w", namespace, err)
		}
		for _, kind := range list.APIResources {
			if !slices.Contains(kind.Verbs, "list") || automatic(kind.Kind) {
				continue
			}
			found, err := c.dynamic.Resource(gv.WithResource(kind.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: "!" + imports.Label, Limit: 5})
			if apierrors.IsForbidden(err) {
				return kind.Name + " that the agent may not list", nil
			}
			if err != nil {
				return "", fmt.Errorf("look into namespace %s for %s: %w", namespace, kind.Name, err)
			}
			if i := slices.IndexFunc(found.Items, madeByUser); i >= 0 {
				return RefOf(&found.Items[i]).String(), nil
			}
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
