package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	crds "sigs.k8s.io/mcs-api/config/crd"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
)

// establishLimit bounds the wait for a new API, establishEvery is how often it is
// looked at.
const (
	establishLimit = 10 * time.Second
	establishEvery = 50 * time.Millisecond
)

// serviceCRDs are the CustomResourceDefinitions of the Multi-Cluster Services API.
func serviceCRDs() ([]*unstructured.Unstructured, error) {
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

// InstallServiceAPI brings the CRDs of the Multi-Cluster Services API where they
// are missing, and returns when they are served. Those that are there stay as
// they are.
func (c *Client) InstallServiceAPI(ctx context.Context) error {
	crds, err := serviceCRDs()
	if err != nil {
		return err
	}
	for _, crd := range crds {
		if _, err := c.Get(ctx, RefOf(crd)); errors.Is(err, ErrNotFound) {
			_, err = c.Apply(ctx, crd, false)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		err := wait.PollUntilContextTimeout(ctx, establishEvery, establishLimit, true, func(ctx context.Context) (bool, error) {
			u, err := c.Get(ctx, RefOf(crd))
			return err == nil && Established(u) && c.answers(ctx, u), err
		})
		if err != nil {
			return fmt.Errorf("%s is not served: %w", RefOf(crd), err)
		}
	}
	return nil
}

// answers reports whether objects of a CRD's kind can be listed: that begins a
// moment after the CRD is established, and a cache that asks before waits long
// until it asks again.
func (c *Client) answers(ctx context.Context, crd *unstructured.Unstructured) bool {
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	_, err := c.dynamic.Resource(mcs.SchemeGroupVersion.WithResource(plural)).List(ctx, metav1.ListOptions{Limit: 1})
	return err == nil
}
