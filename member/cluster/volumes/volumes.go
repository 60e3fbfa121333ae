// Package volumes gives the claims of an embedded member volumes: directories of
// the node that the scheduler chose. On simulated nodes a volume is a record
// without a directory. A volume goes with its claim.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// Class is the default StorageClass of an embedded member.
	Class = "local"
	// provisioner is who provides volumes of the class.
	provisioner = "hansa.io/local"
	// inNode is where a node sees its volumes; beside the directory of all nodes, a
	// node has them in inDir of its own.
	inNode = "/var/lib/hansa/volumes"
	inDir  = "lib/hansa/volumes"
)

// Rules are the rights that Run needs.
func Rules() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"persistentvolumes"}, Verbs: append([]string{"create", "update", "patch", "delete"}, read...)},
		{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: append([]string{"update", "patch"}, read...)},
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: read},
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: append([]string{"create"}, read...)},
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch", "update"}},
	}
}

// Volumes provides volumes.
type Volumes struct {
	client     kubernetes.Interface
	controller *controller.ProvisionController
}

// New asks the API server for nothing yet. It changes the scheme that all clients
// of Kubernetes share, so it must return before any of them works. dir holds the
// directories of the nodes, by name; empty means that they are simulated.
func New(ctx context.Context, client kubernetes.Interface, dir string) *Volumes {
	return &Volumes{client: client, controller: controller.NewProvisionController(
		ctx, client, provisioner, local{dir}, controller.LeaderElection(false), controller.Threadiness(2))}
}

// Run provides volumes until ctx ends.
func (v *Volumes) Run(ctx context.Context) error {
	late, remove := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: Class, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: provisioner, VolumeBindingMode: &late, ReclaimPolicy: &remove,
	}
	_, err := v.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class %s: %w", Class, err)
	}
	v.controller.Run(ctx)
	return nil
}

// local makes and removes the directories below dir.
type local struct{ dir string }

var _ controller.Provisioner = local{}

// Provision makes the directory of a volume on the chosen node.
func (l local) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf("claim %s/%s has no node yet: a volume is made where its first pod is", o.PVC.Namespace, o.PVC.Name)
	}
	if err := l.make(o.SelectedNodeName, o.PVName); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	hostname := corev1.NodeSelectorRequirement{
		Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName},
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path.Join(inNode, o.PVName)},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{hostname}}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

func (l local) make(node, volume string) error {
	if l.dir == "" {
		return nil
	}
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return fmt.Errorf("make volume %s: %w", volume, err)
	}
	defer root.Close()
	if _, err := root.Stat(node); errors.Is(err, fs.ErrNotExist) {
		return nil // a simulated node beside those that have directories
	}
	at := path.Join(node, inDir, volume)
	if err := root.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("make volume %s: %w", volume, err)
	}
	// Whoever the pod runs as may write: the volume is that pod's alone.
	if err := root.Chmod(at, 0o777); err != nil {
		return fmt.Errorf("make volume %s: %w", volume, err)
	}
	return nil
}

// Delete removes the directory of a volume, wherever it is below dir.
func (l local) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if l.dir == "" {
		return nil
	}
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return fmt.Errorf("remove volume %s: %w", pv.Name, err)
	}
	defer root.Close()
	for _, node := range nodesOf(pv) {
		if err := root.RemoveAll(path.Join(node, inDir, pv.Name)); err != nil {
			return fmt.Errorf("remove volume %s: %w", pv.Name, err)
		}
	}
	return nil
}

// nodesOf are the nodes that have a volume.
func nodesOf(pv *corev1.PersistentVolume) []string {
	var out []string
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	for _, term := range pv.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, match := range term.MatchExpressions {
			if match.Key == corev1.LabelHostname {
				out = append(out, match.Values...)
			}
		}
	}
	return out
}
