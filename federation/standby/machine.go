package standby

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
)

const (
	// LeaderSilent is for how long a leader may be silent before a standby asks
	// members itself: two of its beats. It is less than any member's silence, so
	// that one which dies with the leader is asked about at once.
	LeaderSilent = 500 * time.Millisecond
	// Listen is for how long a standby listens before it says anything: as long as
	// the silence after which a member is suspect at the latest.
	Listen = 1500 * time.Millisecond
	// gap bounds how often it says early what has changed.
	gap = 20 * time.Millisecond
)

// Options configure a Machine.
type Options struct {
	Hub  string // the instance
	Name string // what people call it
	// Every is between two opinions; 0 means 250 ms.
	Every time.Duration
}

// Machine is one hub while it does not lead. One goroutine owns it.
type Machine struct {
	opts   Options
	health *membership.Machine
	specs  map[string]federation.MemberSpec
	loaded map[string]federation.HealthRecord // until it is synced
	synced bool
	began  time.Time // when it was

	term     uint64    // the highest of a leader that was heard
	leaderAt time.Time // when a leader was heard last
	roster   membership.Roster

	sequence uint64
	dueAt    time.Time // of the next opinion; zero before it is synced
	saidAt   time.Time
	changed  bool // since then

	now time.Time
	out []Effect
}

// New returns a machine that knows nothing yet.
func New(opts Options) *Machine {
	if opts.Every == 0 {
		opts.Every = 250 * time.Millisecond
	}
	return &Machine{
		opts: opts, health: membership.New(membership.Options{ProbeEvery: -1}),
		specs: map[string]federation.MemberSpec{}, loaded: map[string]federation.HealthRecord{},
	}
}

// Step applies one event and returns what must be done about it, in order.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	m.now, m.out = now, nil
	m.apply(ev)
	if !m.synced {
		return m.out
	}
	if at, ok := m.health.Deadline(); ok && !now.Before(at) {
		m.feed(membership.Tick{})
	}
	if due, ok := m.opinionAt(); ok && !now.Before(due) {
		m.speak()
	}
	return m.out
}

// Deadline says when Step wants to be called with Tick if nothing comes before.
func (m *Machine) Deadline() (time.Time, bool) {
	if !m.synced {
		return time.Time{}, false
	}
	at, _ := m.opinionAt()
	if due, ok := m.health.Deadline(); ok && due.Before(at) {
		at = due
	}
	return at, true
}

// Check returns the first invariant of the detector that does not hold.
func (m *Machine) Check() error { return m.health.Check() }

// opinionAt is when it speaks next.
func (m *Machine) opinionAt() (time.Time, bool) {
	at := m.dueAt
	if early := m.saidAt.Add(gap); m.changed && !m.saidAt.IsZero() && early.Before(at) {
		at = early
	}
	return at, m.synced
}

func (m *Machine) apply(ev Event) {
	switch ev := ev.(type) {
	case MemberChanged:
		m.specs[ev.Spec.Name] = ev.Spec
		if m.synced {
			m.feed(membership.MemberAdded{Spec: ev.Spec})
		}
	case MemberRemoved:
		delete(m.specs, ev.Member)
		delete(m.loaded, ev.Member)
		if m.synced {
			m.feed(membership.MemberRemoved{Member: ev.Member})
		}
	case HealthLoaded:
		m.load(ev.Record)
	case Synced:
		m.start()
	case LeaderBeat:
		m.hearLeader(ev.Beat)
	case OpinionArrived:
		m.roster.Hear(m.now, ev.Opinion.Hub)
	default:
		m.evidence(ev)
	}
}

// evidence passes on what was seen. Before the records are in, nothing is judged.
func (m *Machine) evidence(ev Event) {
	if !m.synced {
		return
	}
	switch ev := ev.(type) {
	case BeatArrived:
		m.feed(membership.BeatArrived{Beat: ev.Beat})
	case ProbeResult:
		m.feed(membership.ProbeResult{Vantage: ev.Vantage, Reply: ev.Reply})
	case Disconnected:
		m.feed(membership.Disconnected{Member: ev.Member})
	case Stalled:
		m.feed(membership.HubStalled{For: ev.For})
	}
}

// load takes the verdict of the leader for a member that this hub has not judged.
func (m *Machine) load(r federation.HealthRecord) {
	if !m.synced {
		m.loaded[r.Member] = r
		return
	}
	m.restore(r)
}

// restore begins with the leader's verdict. Whether a member may come back is the
// leader's business: for this hub it is away until it was heard for some time.
func (m *Machine) restore(r federation.HealthRecord) {
	switch r.Health {
	case federation.Joining:
		return
	case federation.Returning, federation.Quarantined, federation.Reconciling:
		r.Health = federation.Unreachable
	}
	m.feed(membership.Restored{Record: r})
}

// start begins to judge, once all records are in.
func (m *Machine) start() {
	if m.synced {
		return
	}
	m.synced, m.began, m.dueAt = true, m.now, m.now.Add(Listen)
	for _, name := range m.names() {
		m.feed(membership.MemberAdded{Spec: m.specs[name]})
		if r, ok := m.loaded[name]; ok {
			m.restore(r)
		}
	}
	m.loaded = nil
}

func (m *Machine) names() []string {
	out := make([]string, 0, len(m.specs))
	for name := range m.specs {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (m *Machine) hearLeader(b federation.HubBeat) {
	if b.Term < m.term {
		return
	}
	m.term, m.leaderAt = b.Term, m.now
	m.roster.Hear(m.now, b.Hub)
}

// led reports whether a leader speaks.
func (m *Machine) led() bool { return !m.leaderAt.IsZero() && m.now.Sub(m.leaderAt) < LeaderSilent }

// feed steps the detector and does what it says.
func (m *Machine) feed(ev membership.Event) {
	for _, e := range m.health.Step(m.now, ev) {
		switch e := e.(type) {
		case membership.Transition:
			m.changed = true
			if e.To == federation.Returning {
				m.takeBack(e.Record)
			}
		case membership.Updated:
			m.changed = true
		case membership.AskProbe:
			m.ask(e)
		}
	}
}

// takeBack lets a member return that is heard again: a standby has nothing to ask it, and
// only waits until it has been well for some time.
func (m *Machine) takeBack(r federation.HealthRecord) {
	for _, phase := range []membership.Phase{membership.Answered, membership.Stopped, membership.Synced} {
		m.feed(membership.ReturnStep{Member: r.Member, Incarnation: r.Incarnation, Phase: phase})
	}
}

// ask looks from here, and lets others look when no leader does.
func (m *Machine) ask(e membership.AskProbe) {
	vantages := e.Vantages
	if m.led() {
		vantages = vantages[:1]
	}
	spec := m.specs[e.Member]
	m.out = append(m.out, AskProbe{Vantages: vantages, Request: federation.ProbeRequest{
		Member: e.Member, URL: spec.ProbeURL, CA: spec.ProbeCA, IngressAt: e.IngressAt, AgentAt: spec.AgentAt, Timeout: e.Timeout,
	}})
}

// speak says what it hears. A hub that is late itself says nothing.
func (m *Machine) speak() {
	m.dueAt, m.changed = m.now.Add(m.opts.Every), false
	if m.now.Before(m.began.Add(Listen)) || m.health.Stalled(m.now) {
		return
	}
	m.saidAt = m.now
	m.sequence++
	o := federation.Opinion{Hub: m.opts.Hub, Name: m.opts.Name, Term: m.term, Sequence: m.sequence}
	for _, r := range m.health.Snapshot() {
		if line, unwell := m.line(r); unwell {
			o.Members = append(o.Members, line)
		}
	}
	m.out = append(m.out, SendOpinion{Opinion: o})
}

// line is what it says of one member; false when there is nothing to say.
func (m *Machine) line(r federation.HealthRecord) (federation.MemberOpinion, bool) {
	v, _ := m.health.View(m.now, r.Member)
	if r.Health == federation.Healthy && !v.Silent {
		return federation.MemberOpinion{}, false
	}
	return federation.MemberOpinion{
		Member: r.Member, Health: r.Health, Verdict: r.Verdict, Reason: r.Reason, Silent: v.Silent, HeardAge: v.HeardAge,
		Withdrawn: away(r.Health), API: m.offBus(r.Member, v, "api"), Agent: m.offBus(r.Member, v, "agent"),
	}, true
}

// away reports whether the member was Unreachable, and is not yet well again.
func away(h federation.Health) bool {
	switch h {
	case federation.Joining, federation.Healthy, federation.Suspect, federation.Degraded:
		return false
	}
	return true
}

// offBus is what this hub saw of the API server, or of the agent, of a member since it fell
// silent.
func (m *Machine) offBus(member string, v membership.View, what string) federation.Signal {
	if !v.Silent {
		return federation.Absent
	}
	for _, e := range m.health.Evidence(m.now, member) {
		if e.Observer == ownVantage && e.What == what && e.Age < v.HeardAge {
			return e.Signal
		}
	}
	return federation.Absent
}

// ownVantage is the name of the hub's own process as a vantage point.
const ownVantage = "hub"

// Handover is what a hub takes with it when it begins to lead.
type Handover struct {
	// Heard says when silent members were heard last.
	Heard map[string]time.Time
	// Hubs are those that were heard.
	Hubs membership.Roster
}

// Handover returns what this hub knows. A hub that has not listened for long, or was late
// itself, knows of no silence.
func (m *Machine) Handover(now time.Time) Handover {
	out := Handover{Heard: map[string]time.Time{}, Hubs: m.roster.Clone()}
	if !m.synced || now.Before(m.began.Add(Listen)) || m.health.Stalled(now) {
		return out
	}
	for _, r := range m.health.Snapshot() {
		if v, _ := m.health.View(now, r.Member); v.Silent && v.HeardAge > 0 {
			out.Heard[r.Member] = now.Add(-v.HeardAge)
		}
	}
	return out
}
