package membership

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/hansa-io/hansa/federation"
)

// TestScenarios runs the files of testdata. Each line is a command; the members
// beat and answer probes by what was said of them last.
//
//	member NAME [region=R] [zone=Z] [noprobe] [port]
//	set NAME... beat|silent api=up|down|split|refused agent=(the same) ingress=up|down closed=NAMES deaf|hears
//	advance D                run for D, with beats every 250 ms and probes
//	beat NAME inc=N seq=N [hubseq=N] [hubage=D] [goodbye]   one beat by hand
//	stall D                  the hub does not run for D; what comes waits
//	return NAME answered|stopped|synced   mask OP NAMES D   lift OP
//	unmanaged D              a new machine that waits so long while only an ingress answers
//	fence NAME   remove NAME   disconnect NAME   restart   show [NAME]   looks
//	hub NAME [silent=M] [up=M] [agent=M] [gone]   another hub, and what it does not hear (up: its API server answers it, agent: its agent does)
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		r := newRig()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r.lines = nil
			for _, line := range append([]string{d.Cmd + argText(d)}, strings.Split(d.Input, "\n")...) {
				if line = strings.TrimSpace(line); line != "" {
					r.run(t, line)
				}
			}
			if len(r.lines) == 0 {
				return "ok\n"
			}
			return strings.Join(r.lines, "\n") + "\n"
		})
	})
}

func argText(d *datadriven.TestData) string {
	var b strings.Builder
	for _, a := range d.CmdArgs {
		b.WriteString(" " + a.String())
	}
	return b.String()
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// actor is how a member behaves in a scenario.
type actor struct {
	name     string
	beating  bool
	api      string // up, down, refused, or split: seen by members, not by the hub
	agent    string // the same of its agent's port
	ingress  federation.Signal
	closed   []string // the way to its ingress is closed to these
	deaf     bool
	sequence uint64
	inc      federation.Incarnation
	next     time.Time
	spec     federation.MemberSpec
}

type probeAnswer struct {
	at time.Time
	ev ProbeResult
}

type rig struct {
	m       *Machine
	opts    Options
	now     time.Time
	actors  map[string]*actor
	names   []string
	pending []probeAnswer
	hubSeq  uint64
	hubNext time.Time
	queued  []federation.Beat
	hubs    map[string]*otherHub
	stalled bool
	lines   []string
}

func newRig() *rig {
	return &rig{m: New(Options{}), now: start, actors: map[string]*actor{}, hubNext: start}
}

func (r *rig) feed(t *testing.T, ev Event) {
	t.Helper()
	for _, e := range r.m.Step(r.now, ev) {
		r.effect(e)
	}
	if err := r.m.Check(); err != nil {
		t.Fatalf("t=%v: %v", r.now.Sub(start), err)
	}
}

func (r *rig) say(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf("t=%-6s ", strconv.FormatFloat(r.now.Sub(start).Seconds(), 'f', 2, 64)+"s")+fmt.Sprintf(format, args...))
}

func (r *rig) effect(e Effect) {
	switch e := e.(type) {
	case Transition:
		extra := ""
		if e.Group != nil {
			extra = fmt.Sprintf(" group=%v", e.Group)
		}
		if e.Domain != "" {
			extra += " " + e.Domain
		}
		if e.DwellFactor != 1 {
			extra += fmt.Sprintf(" dwell×%g", e.DwellFactor)
		}
		if e.Withdrawn {
			extra += " withdrawn"
		}
		r.say("%s: %v -> %v [%s] %s%s", e.Member, e.From, e.To, e.Record.Verdict, e.Record.Reason, extra)
	case Updated:
		r.say("%s: %v [%s] %s", e.Record.Member, e.Record.Health, e.Record.Verdict, e.Record.Reason)
	case AskProbe:
		if len(e.Vantages) > 1 {
			r.say("ask %v about %s", e.Vantages, e.Member)
		}
		for _, v := range e.Vantages {
			r.answer(e, v)
		}
	case RealFault:
		r.say("real fault of %s under %s: %s", e.Member, e.Operation, e.Reason)
	case MaskEnded:
		r.say("mask of %s ended", e.Operation)
	}
}

// advance runs the world for d.
func (r *rig) advance(t *testing.T, d time.Duration) {
	t.Helper()
	end := r.now.Add(d)
	for {
		at := end
		if due, ok := r.m.Deadline(); ok && !r.stalled {
			at = earliest(at, due)
		}
		if !r.stalled {
			at = earliest(at, r.hubNext)
		}
		for _, p := range r.pending {
			at = earliest(at, p.at)
		}
		for _, n := range r.names {
			at = earliest(at, r.actors[n].next)
		}
		r.now = latest(at, r.now)
		r.fire(t)
		if !r.now.Before(end) {
			return
		}
	}
}

func (r *rig) fire(t *testing.T) {
	t.Helper()
	if !r.stalled && !r.hubNext.After(r.now) {
		r.hubSeq++
		r.hubNext = r.now.Add(250 * time.Millisecond)
		r.feed(t, HubBeatSent{Sequence: r.hubSeq})
		r.opine(t)
	}
	for _, n := range r.names {
		a := r.actors[n]
		if a.next.After(r.now) {
			continue
		}
		a.next = r.now.Add(250 * time.Millisecond)
		if a.beating {
			a.sequence++
			r.deliver(t, r.beatOf(a))
		}
	}
	var left []probeAnswer
	for _, p := range r.pending {
		if p.at.After(r.now) || r.stalled {
			left = append(left, p)
			if r.stalled {
				left[len(left)-1].at = latest(p.at, r.now.Add(time.Millisecond))
			}
			continue
		}
		r.feed(t, p.ev)
	}
	r.pending = append([]probeAnswer(nil), left...)
	if due, ok := r.m.Deadline(); ok && !r.stalled && !due.After(r.now) {
		r.feed(t, Tick{})
	}
}

func (r *rig) deliver(t *testing.T, b federation.Beat) {
	t.Helper()
	if r.stalled {
		r.queued = append(r.queued, b)
		return
	}
	r.feed(t, BeatArrived{Beat: b})
}

func (r *rig) beatOf(a *actor) federation.Beat {
	b := federation.Beat{Member: a.name, Incarnation: a.inc, Sequence: a.sequence, HubSequence: r.hubSeq, HubAge: 100 * time.Millisecond}
	if a.deaf {
		b.HubSequence, b.HubAge = 1, r.now.Sub(start)
	}
	b.IngressAt = federation.NoIngress
	if a.ingress != federation.Absent {
		b.IngressAt = "tcp://" + a.name + ":80"
	}
	b.Layers.API = federation.Green
	if a.api == "down" || a.api == "refused" {
		b.Layers.API = federation.Red
	}
	for _, l := range r.m.Looks()[a.name] {
		seen, detail := r.actors[l.Member].seen(a.name)
		b.Peers = append(b.Peers, federation.PeerObservation{Member: l.Member, Ingress: seen, Detail: detail})
	}
	return b
}

// seen is what somebody sees of the actor's ingress.
func (a *actor) seen(by string) (federation.Signal, string) {
	if a.ingress == federation.Green && slices.Contains(a.closed, by) {
		return federation.Red, "no answer in 400 ms"
	}
	return a.ingress, map[federation.Signal]string{federation.Red: "connection refused"}[a.ingress]
}

func (r *rig) run(t *testing.T, line string) {
	t.Helper()
	f := strings.Fields(line)
	args := map[string]string{}
	var words []string
	for _, w := range f[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			args[k] = v
		} else {
			words = append(words, w)
		}
	}
	switch f[0] {
	case "member":
		r.member(t, words, args)
	case "set":
		r.set(t, words, args)
	case "advance":
		r.advance(t, duration(t, words[0]))
	case "beat":
		r.handBeat(t, words, args)
	case "stall":
		r.stalled = true
		r.advance(t, duration(t, words[0]))
		r.stalled = false
		r.hubNext = r.now
		for _, b := range r.queued {
			r.feed(t, BeatArrived{Beat: b})
		}
		r.queued = nil
	case "return":
		phases := map[string]Phase{"answered": Answered, "stopped": Stopped, "synced": Synced}
		for _, w := range words[1:] {
			r.feed(t, ReturnStep{Member: words[0], Incarnation: r.actors[words[0]].inc, Phase: phases[w]})
		}
	case "mask":
		last := len(words) - 1
		r.feed(t, MaskSet{Mask: federation.FaultMask{Operation: words[0], Members: words[1:last], Lifetime: duration(t, words[last])}})
	case "lift":
		r.feed(t, MaskLifted{Operation: words[0]})
	case "fence":
		r.feed(t, FenceProven{Member: words[0], Reason: "its leases ran out"})
	case "remove":
		r.feed(t, MemberRemoved{Member: words[0]})
	case "disconnect":
		r.feed(t, Disconnected{Member: words[0]})
	case "restart":
		r.restart(t)
	case "hub":
		r.hub(words, args)
	case "show":
		r.show(words)
	case "unmanaged":
		r.opts.Unmanaged = duration(t, words[0])
		r.m = New(r.opts)
	case "looks":
		r.looks()
	default:
		t.Fatalf("unknown command %q", line)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
