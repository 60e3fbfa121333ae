package e2e

import (
	"path/filepath"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// manyNodes is as many as a member may have.
const manyNodes = config.MaxNodes

// TestManyNodes starts a member with as many simulated nodes as it may have: all are
// Ready, pods are spread over them, and a restart goes on with them.
func TestManyNodes(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := writeConfig(t, config.Config{Name: "tokyo", DataDir: data, Nodes: config.Nodes{Count: manyNodes}})
	process := startCluster(t, file)
	client := newClient(t, filepath.Join(data, "admin.kubeconfig"))
	checkAllReady(t, client)
	const replicas = 300
	spread(t, client, replicas)
	if code := process.signal(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d after SIGTERM\n%s", code, process.stderr())
	}
	startCluster(t, file)
	checkAllReady(t, client)
	awaitReplicas(bounded(t), t, client, replicas)
}

func checkAllReady(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	list, err := client.CoreV1().Nodes().List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ready, addresses := 0, map[string]bool{}
	for _, node := range list.Items {
		addresses[node.Status.Addresses[0].Address] = true
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				ready++
			}
		}
	}
	if ready != manyNodes || len(addresses) != manyNodes {
		t.Fatalf("%d nodes are Ready, with %d addresses, want %d", ready, len(addresses), manyNodes)
	}
}

// spread runs one pod on each of so many nodes.
func spread(t *testing.T, client kubernetes.Interface, replicas int32) {
	t.Helper()
	ctx := bounded(t)
	labels := map[string]string{"app": "web"}
	pods := podSpec(corev1.RestartPolicyAlways)
	pods.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
	}}
	_, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pods},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitReplicas(ctx, t, client, replicas)
	list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]bool{}
	for _, pod := range list.Items {
		nodes[pod.Spec.NodeName] = true
	}
	if len(nodes) != int(replicas) {
		t.Errorf("%d pods are on %d nodes", replicas, len(nodes))
	}
}
