package cluster

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/mcs-api/config/crd"
	"sigs.k8s.io/yaml"

	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/volumes"
)

// dnsRules are what the DNS server of a node reads.
func dnsRules() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "namespaces", "pods"}, Verbs: read},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
		{APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"serviceimports"}, Verbs: read},
	}
}

// applyRole makes or renews a role and binds it to the user of the same name.
func applyRole(ctx context.Context, client kubernetes.Interface, user string, rules []rbacv1.PolicyRule) error {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}
	_, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = client.RbacV1().ClusterRoles().Update(ctx, role, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("grant rights to %s: %w", user, err)
	}
	return bind(ctx, client, user, user)
}

// installImports brings the CRD of ServiceImports, without which the DNS servers
// of nodes answer nothing; one that is there stays as it is.
func installImports(ctx context.Context, cfg *rest.Config) error {
	var object unstructured.Unstructured
	if err := yaml.Unmarshal(crd.ServiceImportCRD, &object.Object); err != nil {
		return fmt.Errorf("read the CRD of ServiceImports: %w", err)
	}
	unstructured.RemoveNestedField(object.Object, "status")
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("create dynamic client: %w", err)
	}
	kind := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	_, err = client.Resource(kind).Create(ctx, &object, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("install the CRD of ServiceImports: %w", err)
	}
	return nil
}

// newVolumes makes ready what provides volumes, before anything else works.
func newVolumes(ctx context.Context, dir *datadir.Dir, nodes nodeSet) (*volumes.Volumes, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", dir.Path(volumesKubeconfig))
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig of volumes: %w", err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("create client for volumes: %w", err)
	}
	if nodes.real == nil {
		return volumes.New(ctx, client, ""), nil
	}
	return volumes.New(ctx, client, dir.Path("nodes")), nil
}
