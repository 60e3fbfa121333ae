package bench

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
)

// BenchmarkContainerdNode starts a member with one containerd node and reports
// milliseconds until the node is Ready, then from the creation of a pod and its
// Service until the ClusterIP answers, and from SIGTERM to the end.
func BenchmarkContainerdNode(b *testing.B) {
	binary := clusterBinary(b)
	if err := host.Check(binary); err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		measureNode(b, binary)
	}
}

func measureNode(b *testing.B, binary string) {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "cluster.yaml")
	data, err := config.Config{
		Name: "bench", DataDir: filepath.Join(dir, "data"), Nodes: config.Nodes{Kind: config.KindContainerd},
		PodCIDR: "10.239.0.0/16", ServiceCIDR: "10.95.0.0/16",
	}.Complete().Encode()
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(binary, "--config", file)
	stderr, err := command.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = command.Process.Signal(syscall.SIGTERM) }()
	lines := bufio.NewScanner(stderr)
	if !skipTo(lines, `msg="control plane ready"`) {
		b.Fatalf("hansa-cluster was not ready: %v", command.Wait())
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "ready-ms")
	b.ReportMetric(float64(firstAnswer(b, filepath.Join(dir, "data", "admin.kubeconfig")).Milliseconds()), "answer-ms")
	began = time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := command.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "stop-ms")
}

// firstAnswer creates a server and its Service and asks its ClusterIP until that
// answers.
func firstAnswer(b *testing.B, kubeconfig string) time.Duration {
	b.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: images.Server}}},
	}
	if _, err := client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: pod.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}
	if service, err = client.CoreV1().Services("default").Create(ctx, service, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	asking := http.Client{Timeout: 200 * time.Millisecond}
	for ctx.Err() == nil {
		response, err := asking.Get("http://" + service.Spec.ClusterIP)
		if err == nil {
			response.Body.Close()
			return time.Since(began)
		}
		<-time.After(20 * time.Millisecond)
	}
	b.Fatal("the ClusterIP did not answer")
	return 0
}
