package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/kube"
)

// BenchmarkFederation starts a federation of three members and measures what a
// user waits for. Every federation is one run; more runs with -benchtime=Nx. Of
// several runs the median is reported, and, as the name ending in "-max" says, the
// longest.
//
//	up-s            hansa up until three members and the sample are Ready
//	version-ms      hansa version, median of 20
//	hub-MiB         resident memory of hub, bus and gateway in one process
//	apply-p50-ms    hansa apply until the object is in all three API servers, of 20
//	apply-p95-ms
//	verdict-ms      kill -9 of a member until the hub's verdict, by the record of the failover
//	shifted-ms      … until every gateway answers without it, by the same
//	decided-ms      … until the new assignment of web, with dwell 0s, is stored, by the same
//	withdrawn-ms    … until its endpoints are out of the answers
//	replaced-ms     … until its replicas with dwell 0s are in other members' assignments and landed
//	ready-ms        … until they are all Ready
//
// The last three include the time of asking, one command every few milliseconds.
func BenchmarkFederation(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	found := map[string][]float64{}
	for b.Loop() {
		f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: found}
		f.measure()
	}
	for name, values := range found {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
		if len(values) > 1 {
			b.ReportMetric(values[len(values)-1], name+"-max")
		}
	}
}

// local is one federation of "hansa up".
type local struct {
	b         *testing.B
	bin, home string
	found     map[string][]float64 // by metric, one value of each run
}

func (f local) report(v float64, name string) { f.found[name] = append(f.found[name], v) }

func (f local) measure() {
	defer f.run("down")
	begin := time.Now()
	f.run("up", "--ports", "auto", "--timeout", "2m")
	f.report(time.Since(begin).Seconds(), "up-s")

	var versions []time.Duration
	for range 20 {
		versions = append(versions, took(func() { f.run("version") }))
	}
	f.report(ms(at(versions, 50)), "version-ms")

	applies := f.applies(20)
	f.report(ms(at(applies, 50)), "apply-p50-ms")
	f.report(ms(at(applies, 95)), "apply-p95-ms")
	f.report(float64(f.resident("hub"))/1024, "hub-MiB")

	begin = time.Now()
	f.run("member", "kill", "frankfurt")
	f.until(func() bool {
		return !strings.Contains(f.run("resolve", "shop/web", "--from", "frankfurt"), "frankfurt  ")
	})
	f.report(ms(time.Since(begin)), "withdrawn-ms")
	f.until(func() bool { _, landed := f.elsewhere(); return landed == 6 })
	f.report(ms(time.Since(begin)), "replaced-ms")
	f.until(func() bool { ready, _ := f.elsewhere(); return ready == 6 })
	f.report(ms(time.Since(begin)), "ready-ms")
	f.marks(begin)
}

// marks reports what the record of the failover says, against the time of the kill:
// all on one machine with one clock.
func (f local) marks(kill time.Time) {
	var list struct {
		Items []struct {
			Spec   struct{ Verb string }
			Status struct {
				Marks     map[string]time.Time
				Workloads []struct {
					Workload string
					Marks    map[string]time.Time
				}
			}
		}
	}
	decided := func() (at time.Time) {
		for _, w := range list.Items[0].Status.Workloads {
			if w.Workload == "shop/web" { // whose dwell is 0s
				at = w.Marks["T4"]
			}
		}
		return at
	}
	f.until(func() bool {
		if err := json.Unmarshal([]byte(f.run("get", "operations", "-o", "json")), &list); err != nil {
			f.b.Fatal(err)
		}
		return len(list.Items) > 0 && !list.Items[0].Status.Marks["T5"].IsZero() && !decided().IsZero()
	})
	f.report(ms(list.Items[0].Status.Marks["T3"].Sub(kill)), "verdict-ms")
	f.report(ms(list.Items[0].Status.Marks["T5"].Sub(kill)), "shifted-ms")
	f.report(ms(decided().Sub(kill)), "decided-ms")
}

// elsewhere sums the replicas of the sample's web outside of frankfurt that are
// ready, and that their member has the order for.
func (f local) elsewhere() (ready, landed int) {
	var w struct {
		Status struct {
			Members []struct {
				Member, State   string
				Replicas, Ready int
			}
		}
	}
	if err := json.Unmarshal([]byte(f.run("get", "workloads", "shop/web", "-o", "json")), &w); err != nil {
		f.b.Fatal(err)
	}
	for _, m := range w.Status.Members {
		if m.Member == "frankfurt" {
			continue
		}
		ready += m.Ready
		if m.State == "Ready" || m.State == "Progressing" {
			landed += m.Replicas
		}
	}
	return ready, landed
}

const document = `apiVersion: v1
kind: ConfigMap
metadata: {namespace: bench, name: c%[1]d}
data: {n: "%[1]d"}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: bench, name: w%[1]d}
spec:
  resources: [{apiVersion: v1, kind: ConfigMap, name: c%[1]d}]
  replicas: {mode: Duplicated}
`

// applies measures n times how long an object takes into all three API servers.
func (f local) applies(n int) []time.Duration {
	b := f.b
	var clusters []*kube.Client
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		c, err := kube.Open(filepath.Join(f.home, "members", member, "data", "admin.kubeconfig"), "")
		if err != nil {
			b.Fatal(err)
		}
		clusters = append(clusters, c)
	}
	var out []time.Duration
	for i := range n {
		file := filepath.Join(b.TempDir(), "w.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, document, i), 0o600); err != nil {
			b.Fatal(err)
		}
		out = append(out, took(func() {
			f.run("apply", "-f", file)
			for _, c := range clusters {
				f.until(func() bool {
					_, err := c.Get(context.Background(), kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: "bench", Name: fmt.Sprintf("c%d", i)})
					if err != nil && !errors.Is(err, kube.ErrNotFound) {
						b.Fatal(err)
					}
					return err == nil
				})
			}
		}))
	}
	return out
}

// resident is the resident memory of a process in KiB.
func (f local) resident(process string) int64 {
	pid, err := os.ReadFile(filepath.Join(f.home, process, "pid"))
	if err != nil {
		f.b.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + strings.Fields(string(pid))[0] + "/status")
	if err != nil {
		f.b.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib
		}
	}
	f.b.Fatal("no VmRSS")
	return 0
}

// patience bounds each wait.
const patience = 5 * time.Minute

func (f local) until(done func() bool) {
	f.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticks := time.NewTicker(2 * time.Millisecond)
	defer ticks.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			f.b.Fatalf("not within %v", patience)
		case <-ticks.C:
		}
	}
}

func (f local) run(args ...string) string {
	command := exec.Command(filepath.Join(f.bin, "hansa"), args...)
	command.Env = append(os.Environ(), "HANSA_HOME="+f.home)
	out, err := command.CombinedOutput()
	if err != nil {
		f.b.Fatalf("hansa %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func took(what func()) time.Duration {
	begin := time.Now()
	what()
	return time.Since(begin)
}

// at is the percentile of the durations, by the nearest rank.
func at(list []time.Duration, percent int) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[min(len(list)-1, len(list)*percent/100)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
