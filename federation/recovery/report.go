package recovery

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// addWorkloads takes over the workloads concerned, and the strictest objective.
func (m *Machine) addWorkloads(reports []federation.WorkloadReport) {
	for _, w := range reports {
		w.Marks = map[federation.Mark]time.Time{}
		m.op.Workloads = append(m.op.Workloads, w)
		m.op.Objective.RTO = strictest(m.op.Objective.RTO, w.Objective.RTO)
		m.op.Objective.RPO = strictest(m.op.Objective.RPO, w.Objective.RPO)
	}
}

// strictest is the smaller of two objectives of which zero means none.
func strictest(a, b federation.Duration) federation.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// clock sets the marks that what is seen has reached, and counts downtime.
func (m *Machine) clock(now time.Time, o Observed) {
	if !m.active() {
		return
	}
	m.detection(now, o)
	if o.Elsewhere {
		m.mark(federation.T6ServedElse, now)
	}
	if o.Withdrawn && !m.back() && !m.relocates() && (!m.verdict.IsZero() || m.Wants().Withdraw) {
		m.mark(federation.T5Shifted, now)
	}
	m.workloads(now, o)
}

// detection sets T1 to T3. The scope counts as lost when all of it is.
func (m *Machine) detection(now time.Time, o Observed) {
	var heard, suspect, verdict time.Time
	for _, s := range o.Members {
		if s.VerdictAt.IsZero() {
			verdict = time.Time{}
			break
		}
		verdict = latest(verdict, s.VerdictAt)
	}
	for _, s := range o.Members {
		heard, suspect = latest(heard, s.HeardAt), latest(suspect, s.SuspectAt)
	}
	if m.level("L5a") {
		suspect, verdict = o.Shadow.SuspectAt, o.Shadow.VerdictAt
	}
	if !suspect.IsZero() {
		m.mark(federation.T1MissedBeat, latest(heard.Add(beat), m.op.Marks[federation.T0Fault]))
		m.mark(federation.T2Suspect, suspect)
	}
	if !verdict.IsZero() {
		m.mark(federation.T3Verdict, verdict)
	}
	if m.verdict.IsZero() && (!verdict.IsZero() || m.Wants().Withdraw || m.Wants().Evacuate || m.back() || m.relocates()) {
		m.verdict = now
	}
}

// beat is the interval of heartbeats: the first one is missed so long after the
// last.
const beat = 250 * time.Millisecond

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// workloads sets the marks of each workload, and those of the operation that are
// reached when the last (T4, T8) or the first (T7) workload reaches them.
func (m *Machine) workloads(now time.Time, o Observed) {
	if m.verdict.IsZero() {
		return
	}
	decided, whole := true, true
	for _, w := range o.Workloads {
		i, ok := m.reportOf(w.Workload)
		if !ok {
			continue
		}
		r := &m.op.Workloads[i]
		m.downtime(now, r, w)
		if w.Waiting {
			continue
		}
		r.Marks = marked(r.Marks, federation.T4Decision, now, w.Decided)
		r.Marks = marked(r.Marks, federation.T7FirstReady, now, w.Decided && w.First)
		r.Marks = marked(r.Marks, federation.T8CapacityBack, now, w.Decided && w.Whole)
		if w.Decided && w.First {
			m.mark(federation.T7FirstReady, now)
		}
		decided, whole = decided && w.Decided, whole && w.Decided && w.Whole
	}
	if len(o.Workloads) > 0 && decided {
		m.mark(federation.T4Decision, now)
	}
	if len(o.Workloads) > 0 && whole {
		m.mark(federation.T8CapacityBack, now)
	}
}

// reportOf finds the part of a workload; the parts are sorted.
func (m *Machine) reportOf(k federation.Key) (int, bool) {
	return slices.BinarySearchFunc(m.op.Workloads, k, func(r federation.WorkloadReport, k federation.Key) int { return r.Workload.Compare(k) })
}

// marked adds a mark that is reached for the first time to a copy of the marks: records
// that were handed out share them.
func marked(marks map[federation.Mark]time.Time, mark federation.Mark, at time.Time, reached bool) map[federation.Mark]time.Time {
	if _, have := marks[mark]; !reached || have {
		return marks
	}
	out := make(map[federation.Mark]time.Time, len(marks)+1)
	maps.Copy(out, marks)
	out[mark] = at.UTC()
	return out
}

// downtime adds up the time in which no replica outside the scope was ready. A
// level that hurts nobody has the scope's replicas still, but they do not count:
// they would be gone.
func (m *Machine) downtime(now time.Time, r *federation.WorkloadReport, w WorkloadSeen) {
	since, dark := m.darkAt[w.Workload]
	switch {
	case !w.Served && !dark:
		if _, seen := r.Marks[federation.T0Fault]; !seen {
			since = m.op.Marks[federation.T0Fault]
		} else {
			since = now
		}
		m.darkAt[w.Workload] = since
	case w.Served && dark:
		r.Achieved.Downtime += now.Sub(since)
		delete(m.darkAt, w.Workload)
	}
	r.Marks = marked(r.Marks, federation.T0Fault, m.op.Marks[federation.T0Fault], true)
}

// report completes the workloads' parts once the operation is steady.
func (m *Machine) report(o Observed) {
	for i := range m.op.Workloads {
		r := &m.op.Workloads[i]
		j := slices.IndexFunc(o.Workloads, func(w WorkloadSeen) bool { return w.Workload == r.Workload })
		if j >= 0 {
			r.To = slices.Clone(o.Workloads[j].Members)
		}
		if m.trafficOnly() {
			m.judgeTraffic(r, j >= 0 && o.Workloads[j].Served)
			continue
		}
		m.judgeWorkload(r, j >= 0 && o.Workloads[j].Waiting)
	}
}

// judgeTraffic: where only traffic moves, all that matters is that somebody
// elsewhere serves.
func (m *Machine) judgeTraffic(r *federation.WorkloadReport, served bool) {
	r.Verdict = federation.Pass
	if !served {
		r.Verdict, r.Reason = federation.Fail, "nobody outside the scope serves it"
		return
	}
	m.rto(r, m.op.Marks[federation.T5Shifted])
}

// rto completes a workload that was steady again at back.
func (m *Machine) rto(r *federation.WorkloadReport, back time.Time) {
	marks := maps.Clone(r.Marks)
	marks[federation.T9Steady] = latest(back, m.op.Marks[federation.T5Shifted])
	r.Marks = marks
	r.Achieved.RTO = marks[federation.T9Steady].Sub(m.op.Marks[federation.T0Fault])
	r.Achieved.Detect = m.detect()
	if goal := r.Objective.RTO.D(); goal > 0 && r.Achieved.RTO > goal {
		r.Verdict = federation.Fail
		r.Reason = fmt.Sprintf("achieved RTO %s is above its objective of %s", r.Achieved.RTO.Round(time.Millisecond), goal)
	}
}

// judgeWorkload: T9 of a workload is when its capacity was back and traffic had
// left the scope; both lasted until the operation was steady.
func (m *Machine) judgeWorkload(r *federation.WorkloadReport, waiting bool) {
	back, ok := r.Marks[federation.T8CapacityBack]
	switch {
	case waiting:
		r.Verdict, r.Reason = federation.Inconclusive, "does not move by itself"
		return
	case !ok:
		r.Verdict, r.Reason = federation.Fail, "its capacity did not come back"
		return
	}
	r.Verdict = federation.Pass
	m.rto(r, back)
}

func (m *Machine) detect() time.Duration {
	t3, ok := m.op.Marks[federation.T3Verdict]
	if !ok {
		return 0
	}
	return t3.Sub(m.op.Marks[federation.T0Fault])
}

// measure fills what the operation achieved as a whole.
func (m *Machine) measure() {
	m.op.Achieved.Detect = m.detect()
	if t9, ok := m.op.Marks[federation.T9Steady]; ok {
		m.op.Achieved.RTO = t9.Sub(m.op.Marks[federation.T0Fault])
	}
	m.op.Achieved.Downtime = 0
	for _, w := range m.op.Workloads {
		m.op.Achieved.Downtime = max(m.op.Achieved.Downtime, w.Achieved.Downtime)
	}
}

// judge is the verdict of an operation that ran to its end.
func (m *Machine) judge() federation.Verdict {
	if m.failed != "" {
		return federation.Fail
	}
	for _, w := range m.op.Workloads {
		if w.Verdict == federation.Fail {
			m.op.Reason = joinReasons(m.op.Reason, w.Workload.String()+": "+w.Reason)
			return federation.Fail
		}
	}
	return federation.Pass
}

// Seal chains an ended operation to the one that ended before it and gives it
// its hash, so that no record can be changed or taken out unseen.
func Seal(op federation.Operation, previous string) federation.Operation {
	op.PreviousHash, op.Hash = previous, ""
	op.Hash = Sum(op)
	return op
}

// Sum is the hash of a record without its own: SHA-256 of its JSON, in hex.
// Records that differ only in empty lists being nil have one sum.
func Sum(op federation.Operation) string {
	op.Hash = ""
	op.Members = slices.Clip(append([]string{}, op.Members...))
	op.Workloads = slices.Clone(op.Workloads)
	for i := range op.Workloads {
		w := &op.Workloads[i]
		w.From, w.To = append([]string{}, w.From...), append([]string{}, w.To...)
		if w.Marks == nil {
			w.Marks = map[federation.Mark]time.Time{}
		}
	}
	if op.Marks == nil {
		op.Marks = map[federation.Mark]time.Time{}
	}
	b, err := json.Marshal(op)
	if err != nil {
		panic("hash operation " + op.ID + ": " + err.Error()) // every field is plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func joinReasons(a, b string) string {
	if a == "" || b == "" {
		return cmp.Or(a, b)
	}
	return a + "; " + b
}

func joined(names []string) string { return strings.Join(names, ", ") }

func sorted[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }
