package member

import (
	"context"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	beatEvery = 250 * time.Millisecond
	// lookEvery is how often the API server is asked for its health.
	lookEvery = time.Second
	// mostProbes bounds how many looks at other members are under way.
	mostProbes = 32
)

// hubHeard is the last beat of the hub.
type hubHeard struct {
	sequence uint64
	at       time.Time
	term     uint64
	imports  uint64 // revision of the clusterset within the term; 0: not told
}

// beat says four times a second that the agent lives. Beats are never kept for
// later: a late one says nothing.
func (a *Agent) beat(ctx context.Context) error {
	ticks := time.NewTicker(beatEvery)
	defer ticks.Stop()
	var stalls stallMeter
	for sequence := uint64(1); ; sequence++ {
		a.publishBeat(a.nextBeat(sequence, stalls.worst()))
		select {
		case <-ctx.Done():
			return nil
		case due := <-ticks.C:
			stalls.note(time.Since(due))
		}
	}
}

func (a *Agent) nextBeat(sequence uint64, stall time.Duration) federation.Beat {
	b := federation.Beat{
		Member: a.opts.Name, Incarnation: a.incarnation, Sequence: sequence, Stall: stall, Layers: *a.layers.Load(),
	}
	heard := a.hub.Load()
	b.HubTerm = heard.term
	if heard.sequence > 0 {
		b.HubSequence, b.HubAge = heard.sequence, time.Since(heard.at)
	}
	a.lookout.tell(time.Now(), &b)
	return b
}

// goodbye is the last beat of a planned stop.
func (a *Agent) goodbye() {
	b := a.nextBeat(1<<62, 0)
	b.Goodbye = true
	a.publishBeat(b) // it only speeds things up
}

// stallMeter remembers how late the ticks of the last second were.
type stallMeter struct {
	late [4]time.Duration
	next int
}

func (s *stallMeter) note(d time.Duration) {
	s.late[s.next] = max(0, d)
	s.next = (s.next + 1) % len(s.late)
}

func (s *stallMeter) worst() time.Duration {
	return max(s.late[0], s.late[1], s.late[2], s.late[3])
}

// look keeps the layered health of the cluster.
func (a *Agent) look(ctx context.Context) error {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		api, etcd := a.cluster.Layers(ctx)
		all, ready := a.watch.Nodes()
		a.layers.Store(&federation.Layers{API: api, Etcd: etcd, Nodes: all, NodesReady: ready})
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// listen hears the hub: its beats, and its requests to probe other members.
func (a *Agent) listen(ctx context.Context) error {
	if _, err := a.beats.Subscribe(ctx, subject.MemberDownBeat(), a.hearHub); err != nil {
		return err
	}
	if _, err := a.control.Subscribe(ctx, subject.MemberDown(subject.DownProbe), func(m messaging.Message) {
		select {
		case a.probes <- struct{}{}:
			go a.probe(ctx, m)
		default: // the hub asks again
		}
	}); err != nil {
		return err
	}
	if _, err := a.control.Subscribe(ctx, subject.MemberDown(subject.DownRotate), a.hearOrder); err != nil {
		return err
	}
	if _, err := a.control.Subscribe(ctx, subject.MemberDown(subject.DownLeave), a.hearLeave); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (a *Agent) hearHub(m messaging.Message) {
	b, err := federationv1.DecodeHubBeat(m.Data)
	if err != nil {
		a.log.Warn("a beat of the hub is not readable", "reason", err)
		return
	}
	before := a.hub.Load()
	if b.Term < before.term {
		return
	}
	a.hub.Store(&hubHeard{sequence: b.Sequence, at: time.Now(), term: b.Term, imports: b.Imports})
	if b.Term != before.term || b.Imports != before.imports {
		mark(a.imported)
	}
	a.lookout.order(b.Looks)
	if b.Term != before.term {
		a.log.Info("hub leads", "term", b.Term)
		a.reports.resend()
		a.access.Tell()
	}
	a.tell(guard.HubBeatHeard{Beat: b})
}

// probe looks at another member for the hub.
func (a *Agent) probe(ctx context.Context, m messaging.Message) {
	defer func() { <-a.probes }()
	request, err := federationv1.DecodeProbeRequest(m.Data)
	if err != nil {
		a.log.Warn("a probe request is not readable", "reason", err)
		return
	}
	reply := probe.Do(ctx, request, a.identity)
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	if _, err := a.control.Request(ctx, subject.MemberUp(subject.UpProbed), federationv1.EncodeProbeReply(reply)); err != nil {
		a.log.Debug("what a probe saw did not reach the hub", "about", request.Member, "reason", err)
	}
}
