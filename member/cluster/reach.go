package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/configs/reach"
)

// grantReach gives those who come through gateways their first rights. What is there
// stays as its owner has changed it.
func grantReach(ctx context.Context, client kubernetes.Interface) error {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(reach.RBAC), 4096)
	for {
		var one struct { // a ClusterRole or a ClusterRoleBinding
			rbacv1.ClusterRoleBinding `json:",inline"`
			Rules                     []rbacv1.PolicyRule `json:"rules"`
		}
		err := documents.Decode(&one)
		if errors.Is(err, io.EOF) {
			return nil
		}
		switch {
		case err != nil:
		case one.Kind == "ClusterRole":
			role := &rbacv1.ClusterRole{ObjectMeta: one.ObjectMeta, Rules: one.Rules}
			_, err = client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
		default:
			_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &one.ClusterRoleBinding, metav1.CreateOptions{})
		}
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("grant rights to callers of gateways: %w", err)
		}
	}
}
