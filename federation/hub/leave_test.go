package hub_test

import (
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// leaveOrders are the orders to let go of its cluster that an agent gets.
func (a *agent) leaveOrders() <-chan federation.LeaveOrder {
	a.w.t.Helper()
	orders := make(chan federation.LeaveOrder, 16)
	_, err := a.conn.Subscribe(a.w.t.Context(), subject.MemberDown(subject.DownLeave), func(m messaging.Message) {
		if o, err := federationv1.DecodeLeaveOrder(m.Data); err == nil {
			select {
			case orders <- o:
			default: // it is repeated
			}
		}
	})
	must(a.w.t, err)
	return orders
}

func (a *agent) reportLeave(r federation.LeaveReport) {
	a.say(a.w.t.Context(), subject.UpLeave, federationv1.EncodeLeaveReport(r))
}

// TestLeaveWithAgent: a member leaves while hubs change. Its agent is told, by whichever
// leads; when it is done nothing is left of the member, and nothing was done to another.
func TestLeaveWithAgent(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("first")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.newAgent("osaka", "ap-northeast")
	w.healthy("tokyo", "osaka")
	load := workload(web, 2)
	load.Placement.Spread = []federation.SpreadConstraint{{By: "member", Max: 2, Min: 1}}
	w.put(load, 0)
	w.ready(await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return on(a, "tokyo") || on(a, "osaka") }))
	orders := tokyo.leaveOrders()
	must(t, w.command("tokyo", "leave", "delete"))
	if o := <-orders; o != (federation.LeaveOrder{Member: "tokyo", ClusterID: tokyo.cluster, Remains: federation.Delete}) {
		t.Errorf("the agent is told %+v", o)
	}
	await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return !on(a, "tokyo") && a.Unmet == 0 })
	if err := w.applicant("tokyo", tokyo.cluster).apply(w.token("tokyo"), nil); err == nil || !strings.Contains(err.Error(), "it is leaving") {
		t.Errorf("the name of one that leaves is taken again: %v", err)
	}

	first.stop()
	second := w.startHub("second")
	for len(orders) > 0 {
		<-orders
	}
	<-orders // of the second hub
	tokyo.reportLeave(federation.LeaveReport{Member: "tokyo", ClusterID: tokyo.cluster, Done: true})
	second.stop()
	w.startHub("third")
	w.gone(subject.Members, subject.MemberKey("tokyo"))
	w.within("the end of the connection", func() bool { return !tokyo.conn.Connected() })
	if _, err := nats.Dial(nats.DialOptions{URLs: w.bus().Advertised(nil), CA: w.ca, Credentials: tokyo.creds, Name: "tokyo", Account: tokyo.account}); err == nil {
		t.Error("the credentials of who left are good")
	}
	for key := range w.entries(subject.Health) {
		if key == subject.MemberKey("tokyo") {
			t.Error("its health is known")
		}
	}
	w.healthy("osaka")
	if err := w.applicant("tokyo", tokyo.cluster).apply(w.token("tokyo"), nil); err != nil {
		t.Errorf("the name cannot be taken again: %v", err)
	}
}
