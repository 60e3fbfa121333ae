package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/datadir"
)

const namespace = metav1.NamespaceDefault

// TestCluster follows one member through its life: a first start, workloads, a
// restart, a kill, and another start.
func TestCluster(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := writeConfig(t, config.Config{
		Name:        "tokyo",
		DataDir:     data,
		Place:       config.Place{Region: "ap-northeast", Zone: "ap-northeast-1a"},
		ServiceCIDR: "10.97.0.0/16",
		PodCIDR:     "10.197.0.0/16",
		Nodes:       config.Nodes{Count: 4},
	})
	kubeconfig := filepath.Join(data, "admin.kubeconfig")

	process := startCluster(t, file)
	ca := read(t, filepath.Join(data, "pki", "ca.crt"))
	server := clientConfig(t, kubeconfig).Host
	client := newClient(t, kubeconfig)
	t.Run("version", func(t *testing.T) { checkVersion(t, client) })
	t.Run("nodes", func(t *testing.T) { checkNodes(t, client) })
	t.Run("service range", func(t *testing.T) { checkServiceRange(t, client) })
	t.Run("anonymous", func(t *testing.T) { checkAnonymous(t, server, ca) })
	t.Run("agent's rights", func(t *testing.T) { checkAgent(t, filepath.Join(data, "agent.kubeconfig")) })
	t.Run("files", func(t *testing.T) { checkModes(t, data) })
	t.Run("job", func(t *testing.T) { runJob(t, client) })
	uid := createDeployment(t, client, 6)
	t.Run("deletion", func(t *testing.T) { deletePod(t, client) })
	if code := process.signal(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d after SIGTERM\n%s", code, process.stderr())
	}

	process = startCluster(t, file)
	if got := clientConfig(t, kubeconfig).Host; got != server {
		t.Fatalf("after a restart the API server is at %s, not at %s", got, server)
	}
	if got := read(t, filepath.Join(data, "pki", "ca.crt")); !bytes.Equal(got, ca) {
		t.Fatal("a restart changed the CA")
	}
	checkDeployment(t, client, uid, 9)
	if code := process.signal(t, syscall.SIGKILL); code != -1 {
		t.Fatalf("exit code %d after SIGKILL", code)
	}

	process = startCluster(t, file)
	checkDeployment(t, client, uid, 12)
	if code := process.signal(t, os.Interrupt.(syscall.Signal)); code != 0 {
		t.Fatalf("exit code %d after an interrupt\n%s", code, process.stderr())
	}
}

func checkVersion(t *testing.T, client kubernetes.Interface) {
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.Major != "1" || version.Minor != "37" || !strings.HasPrefix(version.GitVersion, "v1.37.") {
		t.Fatalf("got %+v", version)
	}
}

func checkNodes(t *testing.T, client kubernetes.Interface) {
	nodes, err := client.CoreV1().Nodes().List(bounded(t), metav1.ListOptions{LabelSelector: "hansa.io/node-kind=simulated"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"tokyo-node-0 ap-northeast/ap-northeast-1a 4 16Gi Ready",
		"tokyo-node-1 ap-northeast/ap-northeast-1b 4 16Gi Ready",
		"tokyo-node-2 ap-northeast/ap-northeast-1c 4 16Gi Ready",
		"tokyo-node-3 ap-northeast/ap-northeast-1a 4 16Gi Ready",
	}
	var got []string
	for _, node := range nodes.Items {
		ready := "NotReady"
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				ready = "Ready"
			}
		}
		got = append(got, fmt.Sprintf("%s %s/%s %s %s %s", node.Name,
			node.Labels[corev1.LabelTopologyRegion], node.Labels[corev1.LabelTopologyZone],
			node.Status.Allocatable.Cpu(), node.Status.Allocatable.Memory(), ready))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n%s", strings.Join(got, "\n"))
	}
}

func checkServiceRange(t *testing.T, client kubernetes.Interface) {
	service, err := client.CoreV1().Services(namespace).Get(bounded(t), "kubernetes", metav1.GetOptions{})
	if err != nil || service.Spec.ClusterIP != "10.97.0.1" {
		t.Fatalf("got %v, %v", service.Spec.ClusterIP, err)
	}
}

// checkAnonymous asks as the hub's probe does: with the pinned CA and nothing
// else.
func checkAnonymous(t *testing.T, server string, ca []byte) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for path, want := range map[string]int{
		"/readyz": http.StatusOK, "/livez": http.StatusOK, "/healthz": http.StatusOK,
		"/version": http.StatusUnauthorized, "/api/v1/namespaces": http.StatusUnauthorized,
	} {
		request, err := http.NewRequestWithContext(bounded(t), http.MethodGet, server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, response.Status, want)
		}
	}
}

func checkAgent(t *testing.T, kubeconfig string) {
	client := newClient(t, kubeconfig)
	_, err := client.CoreV1().Secrets("kube-system").List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func checkModes(t *testing.T, data string) {
	err := filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && info.Mode()&os.ModeSocket == 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func runJob(t *testing.T, client kubernetes.Interface) {
	ctx := bounded(t)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "report"},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: podSpec(corev1.RestartPolicyNever)}},
	}
	jobs := client.BatchV1().Jobs(namespace)
	if _, err := jobs.Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, jobs.Watch, "report", func(object runtime.Object) bool {
		return object.(*batchv1.Job).Status.Succeeded == 1
	})
}

// createDeployment returns the uid of a deployment that became Ready.
func createDeployment(t *testing.T, client kubernetes.Interface, replicas int32) types.UID {
	t.Helper()
	ctx := bounded(t)
	labels := map[string]string{"app": "web"}
	deployment, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       podSpec(corev1.RestartPolicyAlways),
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	awaitReplicas(ctx, t, client, replicas)
	return deployment.UID
}

// checkDeployment checks that the deployment is the same, still works, and that
// all its pods, old and new, have addresses of their own.
func checkDeployment(t *testing.T, client kubernetes.Interface, uid types.UID, replicas int32) {
	t.Helper()
	ctx := bounded(t)
	deployments := client.AppsV1().Deployments(namespace)
	deployment, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	if err != nil || deployment.UID != uid {
		t.Fatalf("got uid %s, %v, want %s", deployment.UID, err, uid)
	}
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	if _, err := deployments.Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitReplicas(ctx, t, client, replicas)
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	_, podRange, err := net.ParseCIDR("10.197.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]string{}
	for _, pod := range pods.Items {
		if other, taken := owners[pod.Status.PodIP]; taken {
			t.Errorf("%s and %s share %s", pod.Name, other, pod.Status.PodIP)
		}
		if !podRange.Contains(net.ParseIP(pod.Status.PodIP)) {
			t.Errorf("%s has address %q", pod.Name, pod.Status.PodIP)
		}
		owners[pod.Status.PodIP] = pod.Name
	}
}

func awaitReplicas(ctx context.Context, t *testing.T, client kubernetes.Interface, replicas int32) {
	t.Helper()
	await(ctx, t, client.AppsV1().Deployments(namespace).Watch, "web", func(object runtime.Object) bool {
		deployment := object.(*appsv1.Deployment)
		return deployment.Status.ObservedGeneration == deployment.Generation && deployment.Status.ReadyReplicas == replicas
	})
}

func deletePod(t *testing.T, client kubernetes.Interface) {
	ctx := bounded(t)
	pods := client.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	name := list.Items[0].Name
	watcher, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	if err := pods.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for event := range watcher.ResultChan() {
		if event.Type == watch.Deleted {
			break
		}
	}
	if _, err := pods.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("the deleted pod is still there: %v", err)
	}
	awaitReplicas(ctx, t, client, 6)
}

// await follows the object name until holds is true, or ctx ends.
func await(ctx context.Context, t *testing.T,
	follow func(context.Context, metav1.ListOptions) (watch.Interface, error), name string, holds func(runtime.Object) bool,
) {
	t.Helper()
	watcher, err := follow(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	var last runtime.Object
	for event := range watcher.ResultChan() {
		last = event.Object
		if event.Type != watch.Error && holds(last) {
			return
		}
	}
	t.Fatalf("%s did not get there: %v; last seen: %+v", name, ctx.Err(), last)
}

func podSpec(restart corev1.RestartPolicy) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: restart,
		Containers:    []corev1.Container{{Name: "main", Image: "example.org/app:1"}},
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestClusterRefuses checks that what cannot work ends at once with one line
// that says what to do.
func TestClusterRefuses(t *testing.T) {
	held, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "cluster.json"), []byte(`{"format":2,"member":"tokyo"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	unknown := filepath.Join(t.TempDir(), "unknown.yaml")
	if err := os.WriteFile(unknown, []byte("name: tokyo\ndataDir: x\nnodes:\n  cout: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	configured := func(dir string, port int) []string {
		return []string{"--config", writeConfig(t, config.Config{Name: "tokyo", DataDir: dir, APIPort: port})}
	}
	tests := []struct {
		name      string
		arguments []string
		code      int
		want      string
	}{
		{"directory in use", configured(held.Path(), 0), 1, fmt.Sprintf("data directory %s is in use by pid %d: stop it or choose another", held.Path(), os.Getpid())},
		{"port taken", configured(t.TempDir(), port), 1, fmt.Sprintf("port %d of 127.0.0.1 for the API server is taken: stop what uses it", port)},
		{"newer format", configured(newer, 0), 1, "has format 2 and this program knows up to 1: use the newer program"},
		{"unknown field", []string{"--config", unknown}, 1, unknown + `:4: unknown field "cout": did you mean "count"?`},
		{"no such file", []string{"--config", "none.yaml"}, 1, "open none.yaml: no such file or directory"},
		{"no file", nil, 2, "--config FILE is missing"},
		{"unknown flag", []string{"--frobnicate"}, 2, "flag provided but not defined: -frobnicate"},
		{"wrong level", []string{"--config", unknown, "--log-level", "loud"}, 2, "log-level"},
		{"argument", []string{"--config", unknown, "now"}, 2, `unexpected argument "now"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			process := launch(t, test.arguments...)
			code, line := process.wait(t), process.stderr()
			if code != test.code || !strings.Contains(line, test.want) || strings.Contains(line, "\n") {
				t.Fatalf("exit code %d with\n%s\nwant %d with %q", code, line, test.code, test.want)
			}
		})
	}
}
