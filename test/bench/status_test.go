package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

const statusChanges = 300

// statusDocument is a pod that nobody schedules, so that its status is what is written
// here.
const statusDocument = `apiVersion: v1
kind: Pod
metadata: {namespace: bench, name: still}
spec:
  schedulerName: nobody
  containers: [{name: main, image: example/main}]
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: bench, name: still}
spec:
  resources: [{apiVersion: v1, kind: Pod, name: still}]
  replicas: {mode: Duplicated}
`

// BenchmarkStatus changes the status of an object in one member after the other, from
// Ready to not and back, 300 times in a federation of three, and measures from before
// the request to the member's API server until a client that watches the gateway has
// read the state of the workload there.
//
//	status-p50-ms
//	status-p99-ms
//	status-max-ms
func BenchmarkStatus(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}
		f.status()
		for name, values := range f.found {
			b.ReportMetric(values[0], name)
		}
	}
}

func (f local) status() {
	defer f.run("down")
	f.run("up", "--ports", "auto", "--no-sample", "--timeout", "2m")
	file := filepath.Join(f.b.TempDir(), "still.yaml")
	if err := os.WriteFile(file, []byte(statusDocument), 0o600); err != nil {
		f.b.Fatal(err)
	}
	f.run("apply", "-f", file)
	members := []string{"tokyo", "frankfurt", "virginia"}
	clusters := map[string]*kubernetes.Clientset{}
	for _, member := range members {
		clusters[member] = f.clientset(member)
		f.until(func() bool {
			_, err := clusters[member].CoreV1().Pods("bench").Get(context.Background(), "still", metav1.GetOptions{})
			return err == nil
		})
	}
	seen, end := f.watchStates("bench", "still")
	defer end()
	var all []time.Duration
	for n := range statusChanges {
		member, want, ready := members[n%len(members)], "Ready", "True"
		if n/len(members)%2 == 1 {
			want, ready = "Progressing", "False"
		}
		patch := fmt.Sprintf(`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":%q}]}}`, ready)
		began := time.Now()
		if _, err := clusters[member].CoreV1().Pods("bench").Patch(context.Background(), "still", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
			f.b.Fatal(err)
		}
		f.awaitState(seen, member, want)
		all = append(all, time.Since(began))
	}
	f.report(ms(at(all, 50)), "status-p50-ms")
	f.report(ms(at(all, 99)), "status-p99-ms")
	f.report(ms(at(all, 100)), "status-max-ms")
}

// watchStates follows the states of a workload by member, as the gateway tells them.
func (f local) watchStates(namespace, name string) (seen <-chan map[string]string, end func()) {
	where, err := cli.ReadContext(filepath.Join(f.home, "config.yaml"))
	if err != nil {
		f.b.Fatal(err)
	}
	client, err := cli.Dial(where)
	if err != nil {
		f.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := client.Workloads.WatchWorkloads(ctx, &gatewayv1.WatchWorkloadsRequest{Namespace: namespace, Name: name})
	if err != nil {
		f.b.Fatal(err)
	}
	states := make(chan map[string]string, 1024)
	go func() {
		defer close(states)
		for {
			answer, err := stream.Recv()
			if err != nil {
				return // end was called, or awaitState says that it came too early
			}
			now := map[string]string{}
			for _, m := range answer.GetWorkload().GetStatus().GetMembers() {
				now[m.GetMember()] = m.GetState()
			}
			states <- now
		}
	}()
	return states, func() { cancel(); _ = client.Close() }
}

func (f local) awaitState(seen <-chan map[string]string, member, want string) {
	limit := time.After(patience)
	last := ""
	for {
		select {
		case now, open := <-seen:
			if !open {
				f.b.Fatal("the gateway ended the stream")
			}
			if last = now[member]; last == want {
				return
			}
		case <-limit:
			f.b.Fatalf("%s is %s, not %s", member, last, want)
		}
	}
}
