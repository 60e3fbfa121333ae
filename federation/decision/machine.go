package decision

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/federation/membership"
	"github.com/hansa-io/hansa/federation/recovery"
)

// Options configure a Machine. The zero value works; Term is what a caller has
// to give when more than one hub exists.
type Options struct {
	// Term of the hub's leadership; it is in every beat and every answer to a
	// hello, and receivers ignore lower ones.
	Term uint64
	// Hub is the instance that leads.
	Hub string
	// BeatInterval between two beats of the hub; 0 means 250 ms.
	BeatInterval time.Duration
	// Stabilise is how long a returning member must be well without
	// interruption; 0 means 3 s.
	Stabilise time.Duration
	// Batch is how long a changed workload waits for others that change with it;
	// 0 means 5 ms. Losses do not wait.
	Batch time.Duration
	// Brake bounds what automation may do.
	Brake recovery.BrakeLimits
}

func (o Options) defaulted() Options {
	if o.BeatInterval == 0 {
		o.BeatInterval = 250 * time.Millisecond
	}
	if o.Stabilise == 0 {
		o.Stabilise = 3 * time.Second
	}
	if o.Batch == 0 {
		o.Batch = 5 * time.Millisecond
	}
	return o
}

// Machine is the hub's whole core. It is not safe for concurrent use: one
// goroutine owns it for the length of one leadership.
type Machine struct {
	opts   Options
	synced map[Source]bool
	ready  bool
	began  time.Time // when it became ready

	members    map[string]*member
	gone       map[string]*member // those of members that are lost
	workloads  map[federation.Key]*workload
	operations map[string]*operation
	gateways   map[string]*gateway
	health     *membership.Machine
	before     Before
	hubs       membership.Roster

	dirty   map[federation.Key]bool // may need a decision
	fresh   map[federation.Key]bool // of the dirty, those not looked at since
	touched map[federation.Key]bool // may need works
	served  uint64                  // counts whenever what a member has may begin or cease to serve
	timed   map[federation.Key]bool // have something to do at a time
	bereft  map[federation.Key]bool // may have a share in a lost member
	world   uint64                  // grows when a decision may come out differently
	decided uint64                  // counts the runs of placement

	claims  map[federation.Key]map[string]bool // operations that a workload's move belongs to
	startup map[federation.Key][]time.Duration // measured times to ready

	toldBy     time.Time               // when those are looked at again that may tell what they have of earlier hubs
	toldAt     time.Time               // when the last report came of a work that was not known
	unrecorded map[federation.Key]bool // measured or proven, and not yet in the record
	recordAt   time.Time               // when it goes there

	fallen      []fall          // verdicts of this Step
	lookAgain   bool            // operations have to look at the federation
	unsaved     map[string]bool // members of which a verdict or seal may have to be written
	unstored    bool            // an operation may have to be written
	checkDwells bool            // a share may move now
	lookAt      time.Time       // when they may look again
	dwellAt     time.Time       // when the next dwell ends, or the brake is asked again
	refusal     string          // of the brake; empty while it lets go
	brakeAt     time.Time       // when it is asked again
	batchAt     time.Time       // when gathered changes are decided
	worldAt     time.Time       // when demand without a place is tried again
	roster      uint64          // counts whenever a member may be chosen that could not be
	came        uint64          // roster when that could be any
	sealing     string          // the ended operation whose last record is being written
	grants      lease.Grants
	audit       audit
	batches     []*batch                   // inputs of the last runs of placement, oldest first
	feeds       map[string]federation.Feed // scores from outside, by name
	rules       map[string]federation.StatusRule
	expressions expression.Compiler // of overrides' conditions
	survey      survey
	observed    map[federation.Key]*observed // demand by service
	patienceAt  time.Time                    // when a toleration or the wait for a node ends
	membersAt   time.Time                    // when something is due about the users of members, or those that leave
	strangers   map[string]*member           // members whose record has not come

	writes   map[uint64]writing
	lastID   uint64
	sequence uint64    // of the last hub beat
	turn     int       // counts those that members hear
	beaten   time.Time // when it went out
	beatAt   time.Time // when the next one is due
	beatNow  bool      // one is due at once

	now time.Time
	out []Effect
}

// New returns a machine that knows nothing yet. It decides nothing and beats to
// nobody before each of Sources was fed and Synced.
func New(opts Options) *Machine {
	opts = opts.defaulted()
	return &Machine{
		opts:       opts,
		synced:     map[Source]bool{},
		members:    map[string]*member{},
		gone:       map[string]*member{},
		unsaved:    map[string]bool{},
		workloads:  map[federation.Key]*workload{},
		operations: map[string]*operation{},
		gateways:   map[string]*gateway{},
		health:     newHealth(opts),
		dirty:      map[federation.Key]bool{},
		fresh:      map[federation.Key]bool{},
		touched:    map[federation.Key]bool{},
		served:     1,
		timed:      map[federation.Key]bool{},
		bereft:     map[federation.Key]bool{},
		claims:     map[federation.Key]map[string]bool{},
		strangers:  map[string]*member{},
		startup:    map[federation.Key][]time.Duration{},
		unrecorded: map[federation.Key]bool{},
		writes:     map[uint64]writing{},
		feeds:      map[string]federation.Feed{},
		rules:      map[string]federation.StatusRule{},
		survey:     survey{trips: map[regions]*trip{}},
		observed:   map[federation.Key]*observed{},
	}
}

// Step applies events and returns what must be done about them, in order. It
// never blocks and reads no clock; equal histories give equal effects. now must
// not go back. Several events are looked at together when all have been taken: Together
// says which may be.
func (m *Machine) Step(now time.Time, evs ...Event) []Effect {
	m.now, m.out = now, nil
	for _, ev := range evs {
		m.apply(ev)
	}
	if m.ready {
		m.settle()
	}
	return m.out
}

// Deadline says when Step wants to be called with Tick if nothing comes before.
func (m *Machine) Deadline() (time.Time, bool) {
	if !m.ready {
		return time.Time{}, false
	}
	if m.restless() || len(m.touched) > 0 {
		return m.now, true
	}
	next := m.beatAt
	if m.beatNow {
		next = earlier(next, m.beaten.Add(beatGap))
	}
	if m.lookAgain {
		next = earlier(next, m.lookAt)
	}
	for _, at := range []time.Time{m.earliestHealth(), m.batchAt, m.worldAt, m.dwellAt, m.patienceAt, m.toldBy, m.fencesAt(), m.recordAt, m.membersAt, m.survey.nextAt, m.auditAt()} {
		next = earlier(next, at)
	}
	for k := range m.timed {
		if w := m.workloads[k]; w != nil {
			next = earlier(next, w.deadline())
		}
	}
	for _, o := range m.operations {
		next = earlier(next, m.operationAt(o))
	}
	return next, true
}

// Ready reports whether the machine has seen every source and decides.
func (m *Machine) Ready() bool { return m.ready }

// maxRounds bounds how often one Step goes round; what is left then is done at
// the next one, which Deadline asks for at once.
const maxRounds = 8

// restless says that something came up in this round that the next one settles.
func (m *Machine) restless() bool {
	return m.lookAgain && !m.now.Before(m.lookAt) || m.beatsEarly() || m.checkDwells || len(m.fallen) > 0
}

// settle does what the present state asks for, until nothing is left to do now.
// The order: what is known about members, then what operations make of it, then
// decisions, then works, then records.
func (m *Machine) settle() {
	for range maxRounds {
		m.stepHealth()
		m.stepOperations()
		m.stepFences()
		m.stepDwells()
		m.stepPatience()
		m.stepBeat()
		m.decide()
		m.stepUnrecorded()
		m.stepWorks()
		m.stepRecords()
		m.stepMembers()
		m.stepSurvey()
		m.stepAudit()
		if !m.restless() {
			return
		}
	}
}

func (m *Machine) apply(ev Event) {
	switch ev := ev.(type) {
	case WorkloadChanged, WorkloadDeleted, WorkloadUnreadable, AssignmentLoaded, StatusChanged:
		m.applyWorkload(ev)
	case MemberChanged, MemberRemoved, FactsChanged, HealthLoaded, UserEnded:
		m.applyMember(ev)
	case BeatArrived, ProbeResult, OpinionArrived, Disconnected, Stalled:
		m.applyEvidence(ev)
	case OperationLoaded:
		m.loadOperation(ev)
	case GatewayBeatArrived:
		m.heardGateway(ev.Beat)
	case FeedChanged:
		m.feedChanged(ev.Feed)
	case FeedRemoved:
		m.feedRemoved(ev.Name)
	case RuleChanged:
		m.ruleChanged(ev.Rule)
	case RuleRemoved:
		m.ruleRemoved(ev.Name)
	case Audited:
		m.audited(ev.Report)
	case Measured:
		m.measured(ev)
	case QueriesArrived:
		m.queriesArrived(ev.Report)
	case Listened:
		m.before, m.hubs = ev.Before, ev.Before.Hubs.Clone()
	case Synced:
		m.applySynced(ev.Source)
	case WriteDone:
		m.writeDone(ev)
	case Tick:
	default:
		m.applyRequest(ev)
	}
}

func (m *Machine) applyRequest(ev Event) {
	if !m.ready {
		m.refuse(requestOf(ev), "Unavailable", "the hub is reading its records; try again in a moment")
		return
	}
	switch ev := ev.(type) {
	case HelloArrived:
		m.hello(ev)
	case RenewArrived:
		m.renew(ev)
	case OperationRequested:
		m.requestOperation(ev)
	case AbortRequested:
		m.abortOperation(ev)
	case ApproveRequested:
		m.approveOperation(ev)
	case FreezeRequested:
		m.freeze(ev)
	case MemberCommand:
		m.command(ev)
	case SimulateRequested:
		m.simulate(ev)
	case DescribeRequested:
		m.describe(ev)
	case SealKeyOffered:
		m.sealKeyOffered(ev)
	case UserSigned:
		m.userSigned(ev)
	case UserUsed:
		m.userUsed(ev)
	case LeaveReported:
		m.leaveReported(ev)
	default:
		m.applyPlanning(ev)
	}
}

func (m *Machine) applyPlanning(ev Event) {
	switch ev := ev.(type) {
	case ReadinessRequested:
		m.readiness(ev)
	case RebalanceRequested:
		m.rebalance(ev)
	case ReplayRequested:
		m.replay(ev)
	}
}

func (m *Machine) applySynced(s Source) {
	m.synced[s] = true
	for _, want := range Sources() {
		if !m.synced[want] {
			return
		}
	}
	if m.ready {
		return
	}
	m.ready, m.unstored, m.began, m.beatAt = true, true, m.now, m.now
	m.awaitTold()
	for name := range m.members {
		m.unsaved[name] = true
	}
	m.world++
	m.resumeOperations()
	m.assumeLeases()
	m.startHealth()
	for k := range m.workloads {
		m.touch(k)
	}
}

// emit adds an effect to those of this Step.
func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

func (m *Machine) reply(request uint64, answer any) { m.emit(Reply{Request: request, Answer: answer}) }

func (m *Machine) refuse(request uint64, kind, text string) {
	m.emit(Reply{Request: request, Refusal: &Refusal{Kind: kind, Text: text}})
}

// note appends to the history, for people.
func (m *Machine) note(kind, about, text string) {
	m.emit(PutEvent{federation.Event{At: m.now.UTC(), Type: kind, About: about, Who: "hub", Text: text}})
}

// consider lets the workload be looked at when something is decided next.
func (m *Machine) consider(k federation.Key) { m.dirty[k], m.fresh[k] = true, true }

// touch marks a workload: a decision and works may be due.
func (m *Machine) touch(k federation.Key) {
	m.consider(k)
	m.touchWorks(k)
	if w := m.workloads[k]; w != nil && m.hasLost(w) {
		m.bereft[k], m.checkDwells = true, true
	}
	m.changed()
}

// earlier returns the earlier of two times of which the zero one means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func sortedKeys(set map[federation.Key]bool) []federation.Key {
	keys := slices.AppendSeq(make([]federation.Key, 0, len(set)), maps.Keys(set))
	slices.SortFunc(keys, federation.Key.Compare)
	return keys
}

func sortedNames[V any](set map[string]V) []string {
	names := slices.AppendSeq(make([]string, 0, len(set)), maps.Keys(set))
	slices.Sort(names)
	return names
}
