package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	crds "sigs.k8s.io/mcs-api/config/crd"
)

// ServiceCRDs are the CustomResourceDefinitions of the Multi-Cluster Services API.
func ServiceCRDs() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, text := range [][]byte{crds.ServiceExportCRD, crds.ServiceImportCRD} {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &u.Object); err != nil {
			return nil, fmt.Errorf("read the CRDs of the Multi-Cluster Services API: %w", err)
		}
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
		out = append(out, u)
	}
	return out, nil
}

// Established reports whether a CustomResourceDefinition is served.
func Established(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" {
			return m["status"] == "True"
		}
	}
	return false
}

// Installed reports whether a CRD is there already; whoever put it there keeps it.
func (c *Client) Installed(ctx context.Context, u *unstructured.Unstructured) (bool, error) {
	found, err := c.Get(ctx, RefOf(u))
	if err != nil {
		return false, err
	}
	return Established(found), nil
}
