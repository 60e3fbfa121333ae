package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// recordsNamespace is where an agent keeps what it keeps in the cluster.
	recordsNamespace = "hansa-system"
	// markerName is the ConfigMap that says whose member the cluster is.
	markerName = "hansa-member"
)

// Marker says whose member a cluster is. It outlives the agent's disk.
type Marker struct {
	Federation string // what identifies the federation
	Member     string // the cluster's name in it
}

// Marker reads the cluster's marker; it is empty where there is none.
func (c *Client) Marker(ctx context.Context) (Marker, error) {
	u, err := c.Get(ctx, markerRef())
	if errors.Is(err, ErrNotFound) {
		return Marker{}, nil
	}
	if err != nil {
		return Marker{}, fmt.Errorf("read which federation the cluster belongs to: %w", err)
	}
	data, _, _ := unstructured.NestedStringMap(u.Object, "data")
	m := Marker{Federation: data["federation"], Member: data["member"]}
	if m.Federation == "" || m.Member == "" {
		return Marker{}, fmt.Errorf("%s does not say which federation the cluster belongs to: delete it if the cluster belongs to none", markerRef())
	}
	return m, nil
}

// Mark writes the marker, or completes what was written.
func (c *Client) Mark(ctx context.Context, m Marker) error {
	r := markerRef()
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": r.APIVersion, "kind": r.Kind,
		"metadata": map[string]any{"namespace": r.Namespace, "name": r.Name, "labels": map[string]any{"app.kubernetes.io/managed-by": "hansa"}},
		"data":     map[string]any{"federation": m.Federation, "member": m.Member},
	}}
	if _, err := c.Apply(ctx, u, false); err != nil {
		return fmt.Errorf("note which federation the cluster belongs to: %w", err)
	}
	return nil
}

// Unmark removes the marker, if it is this one.
func (c *Client) Unmark(ctx context.Context, m Marker) error {
	found, err := c.Marker(ctx)
	if err == nil && found == m {
		err = c.Remove(ctx, markerRef())
	}
	if err != nil {
		return fmt.Errorf("note that the cluster belongs to no federation: %w", err)
	}
	return nil
}

func markerRef() Ref {
	return Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: recordsNamespace, Name: markerName}
}
