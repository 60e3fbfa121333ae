package federationv1

import "github.com/hansa-io/hansa/federation"

func fromLeaving(l federation.Leaving) *Leaving {
	if l == (federation.Leaving{}) {
		return nil
	}
	return &Leaving{Remains: string(l.Remains), Since: fromTime(l.Since), Force: l.Force, Told: l.Told, Done: l.Done}
}

func toLeaving(m *Leaving) federation.Leaving {
	return federation.Leaving{Remains: federation.Remains(m.GetRemains()), Since: toTime(m.GetSince()), Force: m.GetForce(), Told: m.GetTold(), Done: m.GetDone()}
}

// EncodeLeaveOrder writes a LeaveOrder.
func EncodeLeaveOrder(o federation.LeaveOrder) []byte {
	return encode(&LeaveOrder{Member: o.Member, ClusterId: o.ClusterID, Remains: string(o.Remains)})
}

// DecodeLeaveOrder reads what EncodeLeaveOrder wrote.
func DecodeLeaveOrder(b []byte) (federation.LeaveOrder, error) {
	return decode("leave order", b, &LeaveOrder{}, func(m *LeaveOrder) (federation.LeaveOrder, error) {
		return federation.LeaveOrder{
			Member: m.GetMember(), ClusterID: m.GetClusterId(), Remains: federation.Remains(m.GetRemains()),
		}, named("member", m.GetMember())
	})
}

// EncodeLeaveReport writes a LeaveReport.
func EncodeLeaveReport(r federation.LeaveReport) []byte {
	return encode(&LeaveReport{Member: r.Member, ClusterId: r.ClusterID, Done: r.Done, Waits: r.Waits})
}

// DecodeLeaveReport reads what EncodeLeaveReport wrote.
func DecodeLeaveReport(b []byte) (federation.LeaveReport, error) {
	return decode("leave report", b, &LeaveReport{}, func(m *LeaveReport) (federation.LeaveReport, error) {
		return federation.LeaveReport{
			Member: m.GetMember(), ClusterID: m.GetClusterId(), Done: m.GetDone(), Waits: m.GetWaits(),
		}, named("member", m.GetMember())
	})
}
