package kube

import (
	"strings"
	"testing"
)

// TestOpenOutside: without a kubeconfig, and in no pod, the error says both.
func TestOpenOutside(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := Open("", "")
	if err == nil || !strings.HasPrefix(err.Error(), "no kubeconfig is set, and this is no pod with a service account") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestJoinRights(t *testing.T) {
	got := join([]Right{
		{Verb: "list", Resource: "nodes"},
		{Verb: "get", Resource: "/readyz"},
		{Verb: "watch", Resource: "nodes"},
		{Verb: "create", Resource: "configmaps", Namespace: "hansa-system"},
		{Verb: "get", Resource: "namespaces", Name: "kube-system"},
	})
	if want := "list+watch nodes, get /readyz, create configmaps in hansa-system, get namespaces kube-system"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
