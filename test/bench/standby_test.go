package bench

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// BenchmarkLeaderAndMember kills the hub that leads and a member together, in one
// federation of three hubs and three members; both start again after each run. More runs
// with -benchtime=Nx, each of about half a minute. The medians are reported, and the 99th
// percentiles, which of less than 100 runs are the longest. With HANSA_BENCH_SAMPLES=FILE
// what is measured is added to the file, and reported is what the file then has: so many
// runs can be made in several parts.
//
//	withdrawn-ms   kill until the gateways of both other hubs answer without the member
//	lease-ms       kill until the store lets the lease go
//	store-ms       … and has a leader again for every bucket that a hub reads
//	own-ms         … from then until the next hub beats: it has read everything, and decides
//	acts-ms        kill until the next hub beats
//	verdict-ms     kill until the next hub says that the member is Unreachable
//	written-ms     the store has elected until that record is in it: the first decision
func BenchmarkLeaderAndMember(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	f := trio{local: local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}}
	f.run("up", "--hubs", "3", "--ports", "auto", "--timeout", "2m")
	defer f.run("down")
	for b.Loop() {
		f.lose(f.victim())
	}
	found := f.samples()
	b.ReportMetric(float64(len(found["own-ms"])), "runs")
	for name, values := range found {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
		b.ReportMetric(values[min(len(values)-1, len(values)*99/100)], name+"-p99")
	}
}

// trio is a federation of three hubs.
type trio struct {
	local
	lost int // runs so far
}

// victim is a member, each time another one.
func (f *trio) victim() string {
	f.lost++
	return []string{"frankfurt", "virginia", "tokyo"}[f.lost%3]
}

// lose kills the hub that leads and the member, measures, and starts both again.
func (f *trio) lose(member string) {
	leader, others := f.quiet(member)
	ctx, cancel := context.WithTimeout(f.b.Context(), patience)
	defer cancel()
	ears := f.dial(others[0])
	defer ears.Close()
	heard := f.listen(ctx, ears, member)
	var withdrawn sync.WaitGroup
	out := make([]time.Time, len(others))
	for i, hub := range others {
		f.answered(ctx, hub, member, func(without func() time.Time) {
			withdrawn.Go(func() { out[i] = without() })
		})
	}
	began := time.Now()
	f.sigkill(leader)
	f.sigkill(filepath.Join("members", member))
	free, elected := f.store(ctx, ears)
	written := f.written(ctx, ears, member)
	withdrawn.Wait()
	led, verdict := <-heard.led, <-heard.verdict
	f.report(ms(slices.MaxFunc(out, time.Time.Compare).Sub(began)), "withdrawn-ms")
	f.report(ms(free.Sub(began)), "lease-ms")
	f.report(ms(elected.Sub(began)), "store-ms")
	f.report(ms(led.Sub(elected)), "own-ms")
	f.report(ms(led.Sub(began)), "acts-ms")
	f.report(ms(verdict.Sub(began)), "verdict-ms")
	f.report(ms(written.Sub(elected)), "written-ms")
	f.run("hub", "start", leader)
	f.run("member", "start", member)
}

// config is that of a hub.
func (f *trio) config(hub string) configs.Hub {
	c, err := configs.LoadHub(filepath.Join(f.home, hub, "hub.yaml"))
	if err != nil {
		f.b.Fatal(err)
	}
	return c
}

// dial connects to the server of one hub, with a hub's rights.
func (f *trio) dial(hub string) *nats.Conn {
	c := f.config(hub)
	keys, err := nats.ReadKeys(c.Bus.KeysDir)
	if err != nil {
		f.b.Fatal(err)
	}
	who, err := keys.Credentials(nats.HubRole, time.Hour)
	if err != nil {
		f.b.Fatal(err)
	}
	ca, err := os.ReadFile(c.Bus.CAFile)
	if err != nil {
		f.b.Fatal(err)
	}
	var conn *nats.Conn
	f.until(func() bool { // one that was started just now does not listen yet
		conn, err = nats.Dial(nats.DialOptions{URLs: []string{"tls://" + c.Bus.Listen}, CA: ca, Credentials: who, Name: "bench"})
		return err == nil
	})
	return conn
}

// quiet waits until one hub leads, the two others hear every member, all gateways answer
// with the member, and the leader has kept its place for some beats.
func (f *trio) quiet(member string) (leader string, others []string) {
	conn := f.dial("hub")
	defer conn.Close()
	beats, well := make(chan federation.HubBeat, 1000), make(chan string, 1000)
	f.hear(conn, subject.HubBeat(), func(data []byte) {
		if b, err := federationv1.DecodeHubBeat(data); err == nil {
			beats <- b
		}
	})
	f.hear(conn, subject.HubOpinion(), func(data []byte) {
		if o, err := federationv1.DecodeOpinion(data); err == nil && len(o.Members) == 0 {
			well <- o.Name
		}
	})
	sick := func(m federation.MemberBeat) bool { return m.Health != federation.Healthy }
	steady, agree := 0, map[string]int{}
	for limit := time.After(patience); steady < 20 || len(agree) < 2 || min(agree[others[0]], agree[others[1]]) < 20; {
		select {
		case b := <-beats:
			name, _, _ := strings.Cut(b.Hub, "/")
			if steady++; name != leader || b.Hubs != 3 || slices.ContainsFunc(b.Members, sick) {
				leader, steady = name, 0
				clear(agree)
			}
			others = slices.DeleteFunc([]string{"hub", "hub-2", "hub-3"}, func(hub string) bool { return hub == leader })
		case name := <-well:
			agree[name]++
			delete(agree, leader)
		case <-limit:
			f.b.Fatal("the federation does not become quiet")
		}
	}
	for _, hub := range others {
		f.until(func() bool {
			return strings.Contains(f.run("resolve", "shop/web", "--gateway", f.config(hub).Gateway.Listen), member+"  ")
		})
	}
	return leader, others
}

func (f *trio) hear(conn *nats.Conn, subj string, take func([]byte)) {
	if _, err := conn.Subscribe(f.b.Context(), subj, func(m messaging.Message) { take(m.Data) }); err != nil {
		f.b.Fatal(err)
	}
}

// sounds are when the next hub was heard first, and when it said that the member is lost.
type sounds struct{ led, verdict chan time.Time }

// listen hears the beats of the next hub that leads.
func (f *trio) listen(ctx context.Context, conn *nats.Conn, member string) sounds {
	s := sounds{led: make(chan time.Time, 1), verdict: make(chan time.Time, 1)}
	term := make(chan uint64, 1)
	var first, last sync.Once
	_, err := conn.Subscribe(ctx, subject.HubBeat(), func(m messaging.Message) {
		b, err := federationv1.DecodeHubBeat(m.Data)
		if err != nil {
			return
		}
		select {
		case term <- b.Term:
		default:
		}
		old := <-term
		term <- old
		if b.Term <= old {
			return
		}
		first.Do(func() { s.led <- time.Now() })
		for _, line := range b.Members {
			if line.Member == member && line.Health == federation.Unreachable {
				last.Do(func() { s.verdict <- time.Now() })
			}
		}
	})
	if err != nil {
		f.b.Fatal(err)
	}
	select {
	case old := <-term:
		term <- old
	case <-ctx.Done():
		f.b.Fatal("no hub leads")
	}
	return s
}

// answered watches the answers of a hub's gateway, and hands what waits for the first one
// without the member to wait, once there is one with it.
func (f *trio) answered(ctx context.Context, hub, member string, wait func(func() time.Time)) {
	c, err := cli.ReadContext(filepath.Join(f.home, "config.yaml"))
	if err != nil {
		f.b.Fatal(err)
	}
	c.Gateway = f.config(hub).Gateway.Listen
	client, err := cli.Dial(c)
	if err != nil {
		f.b.Fatal(err)
	}
	f.b.Cleanup(func() { client.Close() })
	answers, err := client.Discovery.WatchResolve(ctx, &gatewayv1.WatchResolveRequest{Query: &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"}})
	if err != nil {
		f.b.Fatal(err)
	}
	next := func(with bool) time.Time {
		for {
			answer, err := answers.Recv()
			if err != nil {
				f.b.Error(err)
				return time.Now()
			}
			if with == slices.ContainsFunc(answer.GetAnswer().GetTiers(), func(t *gatewayv1.Tier) bool {
				return slices.ContainsFunc(t.GetEndpoints(), func(e *gatewayv1.ResolvedEndpoint) bool { return e.GetMember() == member })
			}) {
				return time.Now()
			}
		}
	}
	next(true)
	wait(func() time.Time { return next(false) })
}

// sigkill kills a process, whose directory is given.
func (f *trio) sigkill(dir string) {
	b, err := os.ReadFile(filepath.Join(f.home, dir, "pid"))
	if err != nil {
		f.b.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		f.b.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		f.b.Fatal(err)
	}
}
