package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/test/script"
)

// TestFederation is the day of a new user: three real clusters, the sample, every
// question one may ask, the loss of a region, its return, a drill, and the end.
// Later parts need the earlier ones, so the first that fails ends the test.
func TestFederation(t *testing.T) {
	f := newFederation(t)
	out := f.run(t, "hansa", "up", "--ports", "auto", "--timeout", "100s")
	if !strings.Contains(out, "hansa down") {
		t.Errorf("up does not say what to try next:\n%s", out)
	}
	for _, part := range []struct {
		name string
		test func(*testing.T, federation)
	}{
		{"members", checkMembers},
		{"sample", checkSample},
		{"explain", checkExplain},
		{"simulate", checkSimulate},
		{"resolve", checkResolve},
		{"refusals", checkRefusals},
		{"planning", checkPlanning},
		{"status rules", checkStatusRules},
		{"drill", checkDrill},
		{"kill", checkKill},
		{"return", checkReturn},
		{"verbs", checkVerbs},
		{"readme", checkReadme},
		{"hub restart", checkDeadHub},
		{"offline", checkOffline},
		{"once", checkOnce},
		{"secret", checkSecret},
		{"attach", checkAttach},
		{"gateway", checkGateway},
		{"down", checkDown},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, f) }) {
			return
		}
	}
}

func checkMembers(t *testing.T, f federation) {
	regions := map[string]string{"tokyo": "ap-northeast", "frankfurt": "eu-central", "virginia": "us-east"}
	members := f.members(t)
	if len(members) != len(regions) {
		t.Fatalf("%d members, want 3", len(members))
	}
	for name, region := range regions {
		m := members[name]
		s := m.Status
		if m.Spec.Place.Region != region || s.Health != "Healthy" || s.NodesReady == 0 || s.NodesReady != s.Nodes ||
			!strings.HasPrefix(s.KubernetesVersion, "v1.37.") || s.Free.CPU == "" || s.Free.Memory == "" || s.LastBeatAgeMs > 2000 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	table := f.run(t, "hansa", "get", "members")
	for _, column := range []string{"NAME", "REGION", "HEALTH", "VERSION", "NODES", "CPU-FREE", "MEMORY-FREE", "LAST-BEAT"} {
		if !strings.Contains(table, column) {
			t.Errorf("no column %s in:\n%s", column, table)
		}
	}
}

func checkSample(t *testing.T, f federation) {
	before := f.workload(t, "shop/web").Status.Epoch
	out := f.run(t, "hansa", "apply", "-f", "configs/samples/shop", "--wait", "--timeout", "60s")
	if !strings.Contains(out, "unchanged") {
		t.Errorf("applying the same again changes something:\n%s", out)
	}
	w := f.workload(t, "shop/web")
	if w.Status.State != "Ready" || len(w.Status.Members) != 3 || w.Status.Epoch != before {
		t.Fatalf("web: %+v", w)
	}
	for _, m := range w.Status.Members {
		if got := f.deployed(t, m.Member, "web"); got != fmt.Sprint(m.Replicas) || m.Ready != m.Replicas {
			t.Errorf("%s: kubectl sees %q ready, hansa %d of %d", m.Member, got, m.Ready, m.Replicas)
		}
	}
}

func checkExplain(t *testing.T, f federation) {
	out := f.run(t, "hansa", "explain", "shop/web")
	for _, want := range []string{"frankfurt", "tokyo", "virginia", "chosen", "spread by region"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func checkSimulate(t *testing.T, f federation) {
	var s struct {
		Fits  bool
		Moves []struct{ Workload, Member string }
		Unmet []any
	}
	f.read(t, &s, "hansa", "simulate", "--lose", "region=eu-central", "-o", "json")
	if !s.Fits || len(s.Moves) == 0 || len(s.Unmet) != 0 {
		t.Errorf("losing one region: %+v", s)
	}
	out := f.run(t, "hansa", "simulate", "--lose", "region=eu-central", "--lose", "region=us-east")
	if !strings.Contains(out, "does not fit") || !strings.Contains(out, "UNMET") {
		t.Errorf("web needs two regions, and one is left:\n%s", out)
	}
}

func checkResolve(t *testing.T, f federation) {
	f.await(t, 20*time.Second, func() string { // endpoints follow their pods within a moment
		serving := f.resolve(t, "osaka").serving()
		if n := serving["tokyo"] + serving["frankfurt"] + serving["virginia"]; n != 6 {
			return fmt.Sprintf("%d of 6 endpoints: %v", n, serving)
		}
		return ""
	})
	for _, from := range []string{"osaka", "ap-northeast", "34.69,135.50"} {
		a := f.resolve(t, from)
		if len(a.Tiers) < 3 || a.Revision == "" || a.Tiers[0].Endpoints[0].Member != "tokyo" || a.Tiers[0].Endpoints[0].State != "fresh" {
			t.Errorf("from %s: %+v", from, a)
		}
	}
	if a := f.resolve(t, "paris"); a.Tiers[0].Endpoints[0].Member != "frankfurt" {
		t.Errorf("from paris: %+v", a)
	}
	gateway, token, ca := f.gateway(t)
	want := f.resolve(t, "osaka").serving()
	var overGRPC, overHTTP answer
	f.read(t, &overGRPC, "grpcurl", "-cacert", ca, "-H", "authorization: Bearer "+token,
		"-d", `{"namespace":"shop","name":"web","from":"osaka"}`, gateway, "hansa.gateway.v1.DiscoveryService/Resolve")
	f.read(t, &overHTTP, "curl", "--silent", "--fail", "--cacert", ca, "-H", "authorization: Bearer "+token,
		"https://"+gateway+"/v1/services/shop/web/endpoints?from=osaka")
	for way, a := range map[string]answer{"grpcurl": overGRPC, "curl": overHTTP} {
		if fmt.Sprint(a.serving()) != fmt.Sprint(want) || a.Tiers[0].Endpoints[0].Member != "tokyo" {
			t.Errorf("%s answers %+v, hansa %v", way, a, want)
		}
	}
}

// gateway is where the gateway listens, and with what one gets in.
func (f federation) gateway(t *testing.T) (address, token, ca string) {
	t.Helper()
	for _, line := range strings.Split(f.run(t, "hansa", "status"), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "gateway" {
			address = strings.TrimSuffix(fields[1], ",")
		}
	}
	b, err := os.ReadFile(filepath.Join(f.home, "pki", "admin.token"))
	if err != nil || address == "" {
		t.Fatalf("gateway %q: %v", address, err)
	}
	return address, strings.TrimSpace(string(b)), filepath.Join(f.home, "pki", "ca.crt")
}

func checkDrill(t *testing.T, f federation) {
	uid := f.webUID(t, "frankfurt")
	var r struct {
		Verdict  string
		Marks    map[string]string
		Achieved struct{ RTOMs, DetectMs float64 }
	}
	out := f.run(t, "hansa", "drill", "run", "region=eu-central", "--level", "L5b", "--yes", "-o", "json")
	i := strings.Index(out, "\n{")
	decode(t, out[i+1:], &r)
	if r.Verdict != "PASS" || r.Achieved.DetectMs <= 0 {
		t.Errorf("report: %+v\n%s", r, out)
	}
	for _, mark := range []string{"T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T11"} {
		if _, err := time.Parse(time.RFC3339Nano, r.Marks[mark]); err != nil {
			t.Errorf("mark %s: %v", mark, err)
		}
	}
	if now := f.webUID(t, "frankfurt"); now != uid {
		t.Errorf("the drill hurt the cluster: the Deployment was %s and is %s", uid, now)
	}
	f.awaitReady(t, "frankfurt")
	if text := f.run(t, "hansa", "drill", "list"); !strings.Contains(text, "PASS") {
		t.Errorf("drill list:\n%s", text)
	}
}

// webUID identifies the Deployment web of a member.
func (f federation) webUID(t *testing.T, member string) string {
	t.Helper()
	return f.run(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "get", "deployment", "web", "-n", "shop", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
}

// awaitReady waits until both workloads are ready and the member is Healthy.
func (f federation) awaitReady(t *testing.T, member string) {
	t.Helper()
	f.await(t, time.Minute, func() string {
		if h := f.members(t)[member].Status.Health; h != "Healthy" {
			return member + " is " + h
		}
		for _, k := range []string{"shop/web", "shop/cart"} {
			if w := f.workload(t, k); w.Status.State != "Ready" {
				return fmt.Sprintf("%s: %+v", k, w)
			}
		}
		return ""
	})
}

func checkKill(t *testing.T, f federation) {
	before := f.workload(t, "shop/web").Status.Epoch
	if f.workload(t, "shop/web").state("frankfurt") == "" {
		t.Fatal("frankfurt does not run web")
	}
	f.run(t, "hansa", "member", "kill", "frankfurt")
	f.await(t, 20*time.Second, func() string {
		if n := f.resolve(t, "frankfurt").serving()["frankfurt"]; n > 0 {
			return fmt.Sprintf("answers still have %d endpoints of frankfurt", n)
		}
		return ""
	})
	f.await(t, time.Minute, func() string {
		w := f.workload(t, "shop/web")
		if s := w.state("frankfurt"); s == "Ready" && f.members(t)["frankfurt"].Status.Health == "Unreachable" {
			t.Errorf("a dead member reads %s", s)
		}
		ready := 0
		for _, m := range w.Status.Members {
			if m.Member != "frankfurt" {
				ready += m.Ready
			}
		}
		if ready < 6 || w.Status.Epoch <= before {
			return fmt.Sprintf("web elsewhere: %+v", w)
		}
		return ""
	})
	if s := f.workload(t, "shop/web").state("frankfurt"); s != "Unknown" {
		t.Errorf("what frankfurt ran reads %q, want Unknown", s)
	}
	if got := f.deployed(t, "tokyo", "web"); got != "3" {
		t.Errorf("kubectl sees %q ready in tokyo, want 3", got)
	}
	f.await(t, time.Minute, func() string { // cart has a dwell of its own
		if w := f.workload(t, "shop/cart"); w.state("frankfurt") != "Unknown" || w.Status.State != "Ready" {
			return fmt.Sprintf("cart: %+v", w)
		}
		return ""
	})
}

func checkReturn(t *testing.T, f federation) {
	epoch := f.workload(t, "shop/web").Status.Epoch
	tokyo := f.webUID(t, "tokyo")
	f.run(t, "hansa", "member", "start", "frankfurt")
	f.await(t, time.Minute, func() string {
		if h := f.members(t)["frankfurt"].Status.Health; h != "Healthy" {
			return "frankfurt is " + h
		}
		return ""
	})
	if got := f.webUID(t, "frankfurt"); got != "" {
		t.Errorf("frankfurt runs web again although others have it: %s", got)
	}
	if got := f.webUID(t, "tokyo"); got != tokyo {
		t.Errorf("web of tokyo was made anew: %s, then %s", tokyo, got)
	}
	if w := f.workload(t, "shop/web"); w.Status.Epoch != epoch || w.Status.State != "Ready" {
		t.Errorf("the return moved web: %+v", w)
	}
	log := f.run(t, "hansa", "get", "events", "-o", "json")
	for _, state := range []string{"Unreachable", "Returning", "Quarantined", "Reconciling"} {
		if !strings.Contains(log, state) {
			t.Errorf("no event says that frankfurt was %s", state)
		}
	}
}

// checkReadme runs the commands that README shows.
func checkReadme(t *testing.T, f federation) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets, err := script.Snippets(b)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, s := range snippets {
		if !s.Tested {
			continue
		}
		for _, command := range s.Commands {
			if out, code := f.try(t, "sh", "-ec", command); code != 0 {
				t.Errorf("README line %d: %s: exit %d\n%s", s.Line, command, code, out)
			}
			ran++
		}
	}
	if ran == 0 {
		t.Error("README has no tested command")
	}
}

func checkDown(t *testing.T, f federation) {
	pids, err := filepath.Glob(filepath.Join(f.home, "*", "pid"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(f.home, "members", "*", "pid"))
	if err != nil || len(pids)+len(more) != 4 {
		t.Fatalf("%d processes, want 4: %v", len(pids)+len(more), err)
	}
	var alive []string
	for _, file := range append(pids, more...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		alive = append(alive, strings.Fields(string(b))[0])
	}
	f.run(t, "hansa", "down")
	for _, pid := range alive {
		if b, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(b), f.home) {
			t.Errorf("process %s is still there", pid)
		}
	}
	if _, err := os.Stat(f.home); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", f.home, err)
	}
}
