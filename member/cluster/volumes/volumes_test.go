package volumes

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(node string) controller.ProvisionOptions {
	policy := corev1.PersistentVolumeReclaimDelete
	return controller.ProvisionOptions{
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &policy}, PVName: "pvc-1", SelectedNodeName: node,
		PVC: &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"}},
	}
}

// TestVolume is the life of a volume: its directory is on the chosen node, and goes.
func TestVolume(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokyo-node-0"), 0o700); err != nil {
		t.Fatal(err)
	}
	pv, _, err := local{dir}.Provision(t.Context(), options("tokyo-node-0"))
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "tokyo-node-0", "lib/hansa/volumes/pvc-1")
	if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("directory of the volume: %v, %v", info, err)
	}
	if pv.Spec.Local.Path != "/var/lib/hansa/volumes/pvc-1" {
		t.Errorf("the node sees it at %s", pv.Spec.Local.Path)
	}
	for range 2 {
		if err := (local{dir}).Delete(t.Context(), pv); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(at); err == nil {
		t.Error("the directory is still there")
	}
}

// TestSimulatedBesideReal gives a volume on a simulated node no directory.
func TestSimulatedBesideReal(t *testing.T) {
	dir := t.TempDir()
	pv, _, err := local{dir}.Provision(t.Context(), options("tokyo-node-7"))
	if err != nil || pv.Name != "pvc-1" {
		t.Fatal(pv, err)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
		t.Errorf("left %v, %v", found, err)
	}
	if err := (local{dir}).Delete(t.Context(), pv); err != nil {
		t.Error(err)
	}
}

// TestOutside refuses a volume that would lie outside of the nodes' directory.
func TestOutside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nodes")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"..", "../../etc", ""} {
		if pv, _, err := (local{dir}).Provision(t.Context(), options(node)); err == nil {
			t.Errorf("node %q has a volume: %v", node, pv.Spec)
		}
	}
}
