package cluster

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/member/cluster/simulated"
	"github.com/hansa-io/hansa/member/cluster/volumes"
)

// grantAccess gives the agent, the simulated nodes and the volumes their rights. The agent
// lands whatever the hub's users wrote, so it is an administrator, but by a
// binding that can be seen and taken away.
func grantAccess(ctx context.Context, client kubernetes.Interface) error {
	if err := applyRole(ctx, client, userNodes, simulated.Rules()); err != nil {
		return err
	}
	if err := applyRole(ctx, client, userVolumes, volumes.Rules()); err != nil {
		return err
	}
	if err := bind(ctx, client, userAgent, "cluster-admin"); err != nil {
		return err
	}
	return grantReach(ctx, client)
}

func bind(ctx context.Context, client kubernetes.Interface, user, role string) error {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("bind %s to role %s: %w", user, role, err)
	}
	return nil
}
