package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/nats"
)

// BenchmarkBus runs a real hub, with its bus and gateway, in a process of its own
// against simulated members: real agents' connections without clusters. For 100 and
// 1,000 members, with 100 workloads that each member has to run:
//
//	join-s        all joined, made known to the bus and Healthy
//	works-s       apply of the workloads until every member has read its last order
//	ready-s       … until the hub has every member's report
//	RSS-MiB       of the hub's process then
//	idle-RSS-MiB  … once nothing has happened for 15 s
//	idle-cpu-%    of one core over 30 s in which nothing happens, without the members' beats
//	beats-cpu-%   what beats of every member at 4 Hz add; told from beats at 8 Hz
//	start-s       kill -9 and start: until a hub leads and its gateway answers
//	heard-s       … until every member has heard it again
//	served-s      … until it has answered every member's hello, and has all Healthy
//	again-s       … until every workload is Ready by what members have told
func BenchmarkBus(b *testing.B) {
	for _, members := range []int{100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			for b.Loop() {
				measureBus(b, members)
			}
		})
	}
}

const fleetWorkloads = 100

// hubProcess is a hub, its bus and its gateway.
type hubProcess struct {
	local
	client *cli.Client
}

func measureBus(b *testing.B, members int) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	h := hubProcess{local: local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home")}}
	spec := filepath.Join(b.TempDir(), "spec.yaml")
	if err := os.WriteFile(spec, []byte("members: [{name: none, region: eu-central}]\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	defer h.run("down")
	h.run("up", "-f", spec, "--ports", "auto", "--detach")
	h.run("member", "kill", "none") // before it has joined
	c, err := cli.ReadContext(filepath.Join(h.home, "config.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	if h.client, err = cli.Dial(c); err != nil {
		b.Fatal(err)
	}
	defer h.client.Close()

	begin := time.Now()
	f := startFleet(b, h.join, members)
	defer f.stop()
	h.until(func() bool { return h.healthy() == members })
	h.since(begin, "join-s")

	begin = time.Now()
	h.applyMany()
	h.until(func() bool { return f.orders.Load() >= int64(members*fleetWorkloads) })
	h.since(begin, "works-s")
	h.until(func() bool { return h.readyWorkloads() == fleetWorkloads })
	h.since(begin, "ready-s")
	b.ReportMetric(float64(h.resident("hub"))/1024, "RSS-MiB")

	calm(b)
	b.ReportMetric(float64(h.resident("hub"))/1024, "idle-RSS-MiB")
	four := h.idle()
	f.every.Store(int64(125 * time.Millisecond))
	eight := h.idle()
	f.every.Store(int64(250 * time.Millisecond))
	b.ReportMetric(100*(2*four-eight), "idle-cpu-%")
	b.ReportMetric(100*(eight-four), "beats-cpu-%")

	h.run("hub", "kill", "hub")
	h.until(func() bool { return exec.Command("kill", "-0", h.pid()).Run() != nil })
	begin = time.Now()
	h.run("hub", "start", "hub")
	h.until(func() bool { s := h.status(); return s.GetSynced() && s.GetHubAgeMs() >= 0 })
	h.since(begin, "start-s")
	h.until(func() bool { return f.hearing(begin) == members })
	h.since(begin, "heard-s")
	h.until(func() bool { return f.served(begin) == members && h.healthy() == members })
	h.since(begin, "served-s")
	h.until(func() bool { return h.readyWorkloads() == fleetWorkloads })
	h.since(begin, "again-s")
}

// since reports the seconds since a time.
func (h hubProcess) since(begin time.Time, unit string) {
	h.b.ReportMetric(time.Since(begin).Seconds(), unit)
}

// lookEvery is how often the hub is asked: more often, and the question would take part in
// what is measured.
const lookEvery = 250 * time.Millisecond

// until waits until done, and asks seldom.
func (h hubProcess) until(done func() bool) {
	h.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !done() {
		if !wait(ctx, lookEvery) {
			h.b.Fatalf("not within %v", patience)
		}
	}
}

// join joins a member as an agent does, which asks again while the hub changes.
func (h hubProcess) join(name string) (nats.Credentials, *gatewayv1.JoinResponse) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		credentials, reply, err := h.tryJoin(ctx, name)
		if err == nil {
			return credentials, reply
		}
		if !wait(ctx, time.Second) {
			panic(err) // of a goroutine; the benchmark cannot go on
		}
	}
}

// tryJoin makes a token and joins with it.
func (h hubProcess) tryJoin(ctx context.Context, name string) (nats.Credentials, *gatewayv1.JoinResponse, error) {
	answer, err := h.client.Members.CreateToken(ctx, &gatewayv1.CreateTokenRequest{Member: name, Ttl: durationpb.New(time.Hour)})
	if err != nil {
		return nats.Credentials{}, nil, err
	}
	id, secret, _ := strings.Cut(answer.GetToken()[strings.LastIndex(answer.GetToken(), "#")+1:], ".")
	key, seed, err := nats.NewUserKey()
	if err != nil {
		return nats.Credentials{}, nil, err
	}
	reply, err := h.client.Join.Join(ctx, &gatewayv1.JoinRequest{
		TokenId: id, TokenSecret: secret, Member: name, Place: &gatewayv1.Place{Region: "eu-central"}, ClusterId: name, UserKey: key,
	})
	return nats.Credentials{JWT: reply.GetUserJwt(), Seed: seed}, reply, err
}

func (h hubProcess) healthy() int { return int(h.status().GetMembersHealthy()) }

func (h hubProcess) readyWorkloads() int { return int(h.status().GetWorkloadsReady()) }

// status is empty while the gateway does not answer.
func (h hubProcess) status() *gatewayv1.GetStatusResponse {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := h.client.Events.GetStatus(ctx, &gatewayv1.GetStatusRequest{})
	if err != nil {
		return nil
	}
	return s
}

// applyMany applies workloads of one ConfigMap of 1 KiB that every member runs.
func (h hubProcess) applyMany() {
	var text strings.Builder
	for i := range fleetWorkloads {
		fmt.Fprintf(&text, `apiVersion: v1
kind: ConfigMap
metadata: {namespace: fleet, name: c%[1]d}
data: {n: %[2]q}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: fleet, name: c%[1]d}
spec:
  resources: [{apiVersion: v1, kind: ConfigMap, name: c%[1]d}]
  replicas: {mode: Duplicated}
---
`, i, strings.Repeat(strconv.Itoa(i), 1024/len(strconv.Itoa(i))))
	}
	file := filepath.Join(h.home, "many.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		h.b.Fatal(err)
	}
	h.run("apply", "-f", file)
}

// calm waits until the hub has written how long the workloads took, which it does once
// they have been ready for 10 s.
func calm(b *testing.B) {
	timer := time.NewTimer(15 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.Context().Done():
	}
}

// idle is the part of one core that the hub's process takes while nothing happens.
func (h hubProcess) idle() float64 {
	const span = 30 * time.Second // a collection of garbage or two
	before := h.cpu()
	measure, stop := context.WithTimeout(context.Background(), span)
	<-measure.Done()
	stop()
	return (h.cpu() - before).Seconds() / span.Seconds()
}

// cpu is the processor time that the hub's process has taken.
func (h hubProcess) cpu() time.Duration {
	stat, err := os.ReadFile("/proc/" + h.pid() + "/stat")
	if err != nil {
		h.b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond()
}

func (h hubProcess) pid() string {
	pid, err := os.ReadFile(filepath.Join(h.home, "hub", "pid"))
	if err != nil {
		h.b.Fatal(err)
	}
	return strings.TrimSpace(string(pid))
}

// ticksPerSecond is the unit of /proc/PID/stat.
func ticksPerSecond() time.Duration {
	out, err := exec.Command("getconf", "CLK_TCK").Output()
	if n, bad := strconv.Atoi(strings.TrimSpace(string(out))); err == nil && bad == nil {
		return time.Duration(n)
	}
	return 100
}
