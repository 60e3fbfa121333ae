package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Right is one thing that a client may do in a cluster.
type Right struct {
	Verb string
	// Resource is "resource", "resource.group" or "resource/subresource.group"; or a path,
	// "/readyz".
	Resource string
	// Namespace and Name narrow it; "" means all.
	Namespace, Name string
}

// String returns "list services", "get configmaps hansa-system/hansa-member".
func (r Right) String() string {
	at := strings.Trim(r.Namespace+"/"+r.Name, "/")
	if r.Namespace != "" && r.Name == "" {
		at = "in " + r.Namespace
	}
	return strings.TrimSpace(r.Verb + " " + r.Resource + " " + at)
}

// BaseRights are what an agent needs in every cluster, whatever it lands there.
// configs/agent grants exactly these, beside the kinds that may be landed.
func BaseRights() []Right {
	var out []Right
	for _, resource := range []string{
		"nodes", "pods", "resourcequotas", "services", "endpointslices.discovery.k8s.io", "serviceexports.multicluster.x-k8s.io",
	} {
		out = append(out, Right{Verb: "list", Resource: resource}, Right{Verb: "watch", Resource: resource})
	}
	out = append(out,
		Right{Verb: "list", Resource: "serviceimports.multicluster.x-k8s.io"},
		Right{Verb: "get", Resource: "/readyz/etcd"},
		Right{Verb: "get", Resource: "namespaces", Name: metav1.NamespaceSystem},
		Right{Verb: "get", Resource: "namespaces", Name: recordsNamespace},
		Right{Verb: "create", Resource: crdResource},
	)
	for _, crd := range []string{"serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io"} {
		out = append(out, Right{Verb: "get", Resource: crdResource, Name: crd}, Right{Verb: "patch", Resource: crdResource, Name: crd})
	}
	for _, verb := range []string{"create", "delete", "list", "patch"} {
		out = append(out, Right{Verb: verb, Resource: "configmaps", Namespace: recordsNamespace})
	}
	return append(out, Right{Verb: "get", Resource: "configmaps", Namespace: recordsNamespace, Name: markerName})
}

// AdmissionRights are what an agent needs beside BaseRights to have the API server ask it
// about pods, and no longer: the configuration of that name is written and removed. RBAC
// cannot limit create to names.
func AdmissionRights(configuration string) []Right {
	const resource = "validatingwebhookconfigurations.admissionregistration.k8s.io"
	return []Right{
		{Verb: "create", Resource: resource},
		{Verb: "delete", Resource: resource, Name: configuration},
		{Verb: "get", Resource: resource, Name: configuration},
		{Verb: "patch", Resource: resource, Name: configuration},
	}
}

const crdResource = "customresourcedefinitions.apiextensions.k8s.io"

// Missing asks the API server which of the rights this client does not have.
func (c *Client) Missing(ctx context.Context, rights []Right) ([]Right, error) {
	reviews := c.dynamic.Resource(schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"})
	var missing []Right
	for _, r := range rights {
		answer, err := reviews.Create(ctx, r.review(), metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask what the agent may do in the cluster: %w", err)
		}
		if allowed, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed"); !allowed {
			missing = append(missing, r)
		}
	}
	return missing, nil
}

func (r Right) review() *unstructured.Unstructured {
	spec := map[string]any{}
	if strings.HasPrefix(r.Resource, "/") {
		spec["nonResourceAttributes"] = map[string]any{"path": r.Resource, "verb": r.Verb}
	} else {
		resource, group, _ := strings.Cut(r.Resource, ".")
		resource, sub, _ := strings.Cut(resource, "/")
		spec["resourceAttributes"] = map[string]any{
			"verb": r.Verb, "group": group, "resource": resource, "subresource": sub, "namespace": r.Namespace, "name": r.Name,
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}}
}

// CheckRights returns one line that lists what the agent may not do and must: BaseRights,
// and more. Where its namespace is not there yet, it must be able to make that, too.
func (c *Client) CheckRights(ctx context.Context, more ...Right) error {
	needed := append(BaseRights(), more...)
	_, err := c.Get(ctx, Ref{APIVersion: "v1", Kind: "Namespace", Name: recordsNamespace})
	if errors.Is(err, ErrNotFound) {
		needed = append(needed, Right{Verb: "create", Resource: "namespaces"}, Right{Verb: "patch", Resource: "namespaces", Name: recordsNamespace})
	}
	missing, err := c.Missing(ctx, needed)
	if err != nil || len(missing) == 0 {
		return err
	}
	return fmt.Errorf("the agent may not do in this cluster what it must: %s: grant it the ClusterRoles of configs/agent", join(missing))
}

// join joins rights, those that differ only in the verb as one.
func join(rights []Right) string {
	var out []string
	for len(rights) > 0 {
		first, verbs := rights[0], []string{}
		rights = slices.DeleteFunc(slices.Clone(rights), func(r Right) bool {
			same := r.Resource == first.Resource && r.Namespace == first.Namespace && r.Name == first.Name
			if same {
				verbs = append(verbs, r.Verb)
			}
			return same
		})
		first.Verb = strings.Join(verbs, "+")
		out = append(out, first.String())
	}
	return strings.Join(out, ", ")
}
