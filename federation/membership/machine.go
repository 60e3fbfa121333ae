package membership

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Options configure a Machine. The zero value works.
type Options struct {
	// Silence after which a member is suspect at the latest; 0 means 1 s. Where
	// more than 3 % of a member's beats are lost it is half as long again.
	Silence time.Duration
	// Stabilise is how long a returning member must be well without interruption
	// before it is healthy; 0 means 3 s. It doubles with each further verdict of
	// the last ten minutes, up to five minutes.
	Stabilise time.Duration
	// ProbeTimeout of one look at an API server; 0 means 400 ms.
	ProbeTimeout time.Duration
	// ProbeEvery is how often the hub looks at each API server in health; 0 means
	// 2 s, less than 0 never. It is at least 10 ms for each member.
	ProbeEvery time.Duration
	// Lone is the silence after which the hub alone may give the verdict, when
	// there is nobody else to ask or nobody answers; 0 means 10 s.
	Lone time.Duration
	// Unmanaged is for how long a silent member counts as served by its ingress alone
	// before it is Unreachable, so that what it runs is managed again; 0 means 10 min.
	Unmanaged time.Duration
	// Domain is the failure domain of the hub, "region=eu-central"; empty means
	// one of its own.
	Domain string
}

func (o Options) defaulted() Options {
	set := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	set(&o.Silence, time.Second)
	set(&o.Stabilise, 3*time.Second)
	set(&o.ProbeTimeout, 400*time.Millisecond)
	set(&o.ProbeEvery, 2*time.Second)
	set(&o.Lone, 10*time.Second)
	set(&o.Unmanaged, 10*time.Minute)
	if o.Domain == "" {
		o.Domain = "hub"
	}
	return o
}

// Machine holds the health of all members. One goroutine owns it.
type Machine struct {
	opts     Options
	members  map[string]*member
	names    []string // of members, sorted
	queue    queue    // members by when they want to be looked at
	local    local
	echo     echo
	masks    map[string]time.Time // by operation: when the mask ends
	masked   map[string][]string  // by operation: its members
	falling  *fall                // the set that members join as they fall
	looks    *lookout             // nil until somebody asks
	found    time.Time            // when a member was last heard for the first time; before that, when one was expected
	expected int                  // members that are
	reached  latestReached
	// replicas are the other hubs, by instance; nil while none has spoken.
	replicas map[string]replica
	broken   error // an edge that does not exist

	now time.Time
	out []Effect
}

// New returns a machine without members.
func New(opts Options) *Machine {
	return &Machine{
		opts:    opts.defaulted(),
		members: map[string]*member{},
		masks:   map[string]time.Time{},
		masked:  map[string][]string{},
	}
}

// Step applies one event, does what is due, and returns the effects in order. A
// now before that of the last Step counts as equal to it.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	if m.now.IsZero() || now.After(m.now) {
		m.now = now
	}
	m.out = nil
	if due, ok := m.Deadline(); ok {
		if late := m.now.Sub(due); late > lateness {
			m.stall(late)
		}
	}
	m.apply(ev)
	m.endMasks()
	for mem := m.queue.due(m.now); mem != nil; mem = m.queue.due(m.now) {
		m.judge(mem)
	}
	return m.out
}

// Deadline says when Step wants to be called with Tick if nothing comes before.
func (m *Machine) Deadline() (time.Time, bool) {
	next := m.queue.first()
	for _, ends := range m.masks {
		next = sooner(next, ends)
	}
	return next, !next.IsZero()
}

func (m *Machine) apply(ev Event) {
	switch ev := ev.(type) {
	case BeatArrived:
		m.beat(ev.Beat)
	case ProbeResult:
		m.probeResult(ev)
	case OpinionArrived:
		m.opinion(ev.Opinion)
	case HeardBefore:
		m.heardBefore(ev.At)
	case MemberAdded:
		m.add(ev.Spec)
	case MemberRemoved:
		m.remove(ev.Member)
	case Restored:
		m.restore(ev.Record)
	case Goodbye:
		m.goodbye(ev.Member, ev.Incarnation)
	case Disconnected:
		m.disconnected(ev.Member)
	case HubStalled:
		m.stall(ev.For)
	case HubBeatSent:
		m.echo.send(m.now, ev.Sequence)
	case MaskSet:
		m.setMask(ev.Mask)
	case MaskLifted:
		m.liftMask(ev.Operation)
	case ReturnStep:
		m.returnStep(ev)
	case FenceProven:
		m.fence(ev)
	}
}

func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

func (m *Machine) add(spec federation.MemberSpec) {
	mem, known := m.members[spec.Name]
	if !known {
		mem = &member{name: spec.Name, place: -1, added: m.now, row: row{settled: NameHealthy}}
		mem.record = federation.HealthRecord{Member: spec.Name, Since: m.now.UTC().Round(0)}
		m.members[spec.Name] = mem
		at, _ := slices.BinarySearch(m.names, spec.Name)
		m.names = slices.Insert(m.names, at, spec.Name)
	}
	if known && (mem.spec.ClusterID != spec.ClusterID || !mem.spec.JoinedAt.Equal(spec.JoinedAt)) {
		mem.stream = stream{}
		mem.record.Incarnation, mem.record.Ingress = 0, ""
	}
	mem.spec, m.looks = spec, nil
	m.coverByMask(mem)
	m.judge(mem)
}

func (m *Machine) remove(name string) {
	mem, ok := m.members[name]
	if !ok {
		return
	}
	m.endInquiry(mem)
	m.queue.remove(mem)
	m.expect(mem, false)
	delete(m.members, name)
	at, _ := slices.BinarySearch(m.names, name)
	m.names = slices.Delete(m.names, at, at+1)
	m.looks = nil
	for _, other := range m.members {
		delete(other.api, name)
		delete(other.agent, name)
		delete(other.ingress, name)
		delete(other.reached, name)
	}
}

func (m *Machine) restore(r federation.HealthRecord) {
	mem, ok := m.members[r.Member]
	if !ok || mem.judged || mem.stream.count > 0 || mem.inquiry != nil {
		return
	}
	r.Masked = mem.mask
	mem.record, m.looks = r, nil
	mem.stream.incarnation = r.Incarnation
	if m.watched(mem) {
		mem.heard = m.now
		m.expect(mem, true)
		m.found = m.now
	}
	if r.Health == federation.Degraded {
		mem.row.settled = r.Verdict
	}
	m.judge(mem)
}

// stall takes what the hub slept off every silence.
func (m *Machine) stall(d time.Duration) {
	credit := m.local.stall(m.now, d)
	if credit <= 0 {
		return
	}
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = earliest(t.Add(credit), m.now)
		}
	}
	for _, name := range m.names {
		mem := m.members[name]
		shift(&mem.heard)
		shift(&mem.stream.heard)
		m.judge(mem)
	}
}

// Stalled reports whether the hub itself has not run in time lately, so that it
// gives no verdicts.
func (m *Machine) Stalled(now time.Time) bool { return now.Before(m.local.votesFrom()) }

// sooner returns the earlier of two times; zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
