package decision

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
)

// find returns the operation a request names, or refuses the request.
func (m *Machine) find(request uint64, id string) *operation {
	o := m.operations[id]
	switch {
	case o == nil:
		m.refuse(request, "NotFound", fmt.Sprintf("no operation %q; see: hansa get operations", id))
		return nil
	case !o.running():
		m.refuse(request, "Refused", fmt.Sprintf("operation %s has ended: %s %s", id, o.value().State, o.value().Verdict))
		return nil
	}
	return o
}

// abortOperation ends an operation: what it changed goes back.
func (m *Machine) abortOperation(ev AbortRequested) {
	o := m.find(ev.Request, ev.Abort.ID)
	if o == nil {
		return
	}
	reason := "aborted by " + ev.Abort.Who
	if ev.Abort.Reason != "" {
		reason += ": " + ev.Abort.Reason
	}
	m.answerWith(o, ev.Request, recovery.Aborted{Reason: reason, Who: ev.Abort.Who})
}

// approveOperation lets an operation go on that waits for a person.
func (m *Machine) approveOperation(ev ApproveRequested) {
	if o := m.find(ev.Request, ev.ID); o != nil {
		m.answerWith(o, ev.Request, recovery.Approved{Who: ev.Who})
	}
}

// answerWith steps the operation and answers once what came of it is stored.
func (m *Machine) answerWith(o *operation, request uint64, ev recovery.Event) {
	m.advanceOperation(o, ev)
	if !o.dirty && !o.record.busy() {
		m.reply(request, o.value())
		return
	}
	o.asked = append(o.asked, request)
}

// everywhere is the scope of what concerns the whole federation.
var everywhere = federation.Scope{By: "member", Value: "*"}

// freeze stops automation, or lets it act again. The freeze is an operation that
// stands until it is released, so it outlives the hub and is in the audit trail.
func (m *Machine) freeze(ev FreezeRequested) {
	for _, o := range m.runningOperations() {
		if o.value().Request.Verb != recovery.Freeze {
			continue
		}
		if ev.Frozen {
			m.reply(ev.Request, o.value())
		} else {
			m.answerWith(o, ev.Request, recovery.Aborted{Reason: "released by " + ev.Who, Who: ev.Who})
		}
		return
	}
	if !ev.Frozen {
		m.refuse(ev.Request, "Refused", "automation is not frozen")
		return
	}
	o := m.launch(federation.OperationRequest{
		Verb: recovery.Freeze, Scope: everywhere, Mode: federation.Live, Initiator: ev.Who, Reason: ev.Reason,
	}, recovery.Scene{Simulation: federation.Simulation{Fits: true}})
	o.asked = append(o.asked, ev.Request)
	m.beatNow = true
}

// frozenBy is an operator's reason to stop automation; empty when there is none.
func (m *Machine) frozenBy() string {
	for _, o := range m.runningOperations() {
		if r := o.value().Request; r.Verb == recovery.Freeze {
			return fmt.Sprintf("by %s: %s", r.Initiator, r.Reason)
		}
	}
	return ""
}

// takeOver lets an operator's failover approve the one that automation already
// has under way for the same members, and says whether there was one.
func (m *Machine) takeOver(ev OperationRequested) bool {
	if ev.Operation.Verb != "failover" || ev.Operation.Mode == federation.DryRun {
		return false
	}
	want := setOf(m.covered(ev.Operation.Scope))
	found := false
	for _, o := range m.runningOperations() {
		r := o.value().Request
		if r.Verb != "failover" || r.Initiator != recovery.Hub || !overlaps(o.covers, want) {
			continue
		}
		if found {
			m.advanceOperation(o, recovery.Approved{Who: ev.Operation.Initiator})
			continue
		}
		found = true
		m.answerWith(o, ev.Request, recovery.Approved{Who: ev.Operation.Initiator})
	}
	return found
}
