package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/test/kubelet"
)

// The loads of BenchmarkReach.
const (
	reachPods  = 1000
	reachBytes = 200 << 20
)

// BenchmarkReach compares real kubectl through gateway and bus with kubectl that asks
// the member's API server itself, in turns; everything on this machine.
//
//	pods-direct-ms    kubectl get pods -A of 1,000 pods, median of 15
//	pods-reach-ms     the same through the gateway
//	pods-ratio        of the two
//	cp-direct-MB/s    kubectl cp of 200 MB from a pod whose node streams by the real protocol, best of 3
//	cp-reach-MB/s     the same through the gateway
//	cp-ratio          of the two
func BenchmarkReach(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}
		f.reach()
		for name, values := range f.found {
			b.ReportMetric(values[0], name)
		}
	}
}

func (f local) reach() {
	defer f.run("down")
	f.run("up", "--ports", "auto", "--no-sample", "--members", "1", "--node-count", "12", "--timeout", "2m")
	through := filepath.Join(f.b.TempDir(), "through")
	f.run("kubeconfig", "tokyo", "--out", through)
	direct := filepath.Join(f.home, "members", "tokyo", "data", "admin.kubeconfig")
	c := f.clientset("tokyo")
	f.manyPods(c)
	f.compare("pods", 15, func(name string) float64 {
		kubeconfig := direct
		if name == "reach" {
			kubeconfig = through
		}
		return ms(took(func() { f.kubectl(kubeconfig, "get", "pods", "-A") }))
	})
	f.found["pods-ratio"] = []float64{f.found["pods-reach-ms"][0] / f.found["pods-direct-ms"][0]}

	from, to := f.streamingPod(c), filepath.Join(f.b.TempDir(), "to")
	var best [2]float64
	for range 3 {
		for i, kubeconfig := range []string{direct, through} {
			d := took(func() { f.kubectl(kubeconfig, "cp", "--retries=0", "default/streams:"+from, to) })
			if s, err := os.Stat(to); err != nil || s.Size() != reachBytes {
				f.b.Fatalf("what was copied: %v, %v", s, err)
			}
			best[i] = max(best[i], reachBytes/1e6/d.Seconds())
		}
	}
	f.report(best[0], "cp-direct-MB/s")
	f.report(best[1], "cp-reach-MB/s")
	f.report(best[1]/best[0], "cp-ratio")
}

// compare measures in turns and reports the medians.
func (f local) compare(what string, times int, measure func(name string) float64) {
	found := map[string][]float64{}
	for range times {
		for _, name := range []string{"direct", "reach"} {
			found[name] = append(found[name], measure(name))
		}
	}
	for name, values := range found {
		slices.Sort(values)
		f.report(values[len(values)/2], what+"-"+name+"-ms")
	}
}

func (f local) kubectl(kubeconfig string, args ...string) {
	command := exec.Command(filepath.Join(f.bin, "kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	var said strings.Builder
	command.Stdout, command.Stderr = io.Discard, &said
	if err := command.Run(); err != nil {
		f.b.Fatalf("%v: %v: %s", command.Args, err, said.String())
	}
}

// manyPods makes pods and waits until they run.
func (f local) manyPods(c *kubernetes.Clientset) {
	ctx := context.Background()
	var group sync.WaitGroup
	next := make(chan int, reachPods)
	for n := range reachPods {
		next <- n
	}
	close(next)
	for range 32 {
		group.Go(func() {
			for n := range next {
				p := podNamed(fmt.Sprintf("p%d", n))
				if _, err := c.CoreV1().Pods("default").Create(ctx, p, metav1.CreateOptions{}); err != nil {
					f.b.Error(err)
				}
			}
		})
	}
	group.Wait()
	f.until(func() bool {
		list, err := c.CoreV1().Pods("default").List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
		return err == nil && len(list.Items) == reachPods
	})
}

func podNamed(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "main", Image: "example/main"}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
}

// streamingPod makes a pod on a node that answers, and returns the file that is copied
// from it.
func (f local) streamingPod(c *kubernetes.Clientset) string {
	ctx, k := context.Background(), kubelet.New(f.b)
	var node corev1.Node
	if err := json.Unmarshal([]byte(k.Node()), &node); err != nil {
		f.b.Fatal(err)
	}
	if _, err := c.CoreV1().Nodes().Create(ctx, &node, metav1.CreateOptions{}); err != nil {
		f.b.Fatal(err)
	}
	if _, err := c.CoreV1().Nodes().Patch(ctx, "stub", types.MergePatchType, []byte(k.Node()), metav1.PatchOptions{}, "status"); err != nil {
		f.b.Fatal(err)
	}
	p := podNamed("streams")
	p.Spec.NodeName = "stub"
	if _, err := c.CoreV1().Pods("default").Create(ctx, p, metav1.CreateOptions{}); err != nil {
		f.b.Fatal(err)
	}
	if _, err := c.CoreV1().Pods("default").Patch(ctx, "streams", types.MergePatchType, []byte(`{"status": {"phase": "Running"}}`), metav1.PatchOptions{}, "status"); err != nil {
		f.b.Fatal(err)
	}
	file := filepath.Join(k.Dir, "bulk")
	if err := os.WriteFile(file, make([]byte, reachBytes), 0o600); err != nil {
		f.b.Fatal(err)
	}
	return file
}
