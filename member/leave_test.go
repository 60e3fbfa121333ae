package member

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// newLeaver is an agent that has joined, and can do nothing but leave.
func newLeaver(t *testing.T, id identity) *Agent {
	t.Helper()
	a := newJoiner(t, t.TempDir(), "gateway:1#"+strings.Repeat("A", 43)+"#id.secret")
	id.Member, id.ClusterID, id.Federation = "tokyo", "c1", "F1"
	a.book, a.leave, a.disowned = &book{id: id, write: a.state.writeIdentity}, make(chan federation.Remains, 1), make(chan struct{}, 1)
	a.control = &line{Bus: inproc.New()}
	return a
}

// TestHearLeave: an order for another, or one that is not known, is not obeyed; one that
// is obeyed is written down first.
func TestHearLeave(t *testing.T) {
	a := newLeaver(t, identity{})
	for _, o := range []federation.LeaveOrder{
		{Member: "osaka", ClusterID: "c1", Remains: federation.Delete},
		{Member: "tokyo", ClusterID: "c0", Remains: federation.Delete},
		{Member: "tokyo", ClusterID: "c1", Remains: "burn"},
	} {
		a.hearLeave(messaging.Message{Data: federationv1.EncodeLeaveOrder(o)})
	}
	if len(a.leave) != 0 {
		t.Fatal("an order was obeyed that is none")
	}
	order := messaging.Message{Data: federationv1.EncodeLeaveOrder(federation.LeaveOrder{Member: "tokyo", ClusterID: "c1", Remains: federation.Retain})}
	a.hearLeave(order)
	a.hearLeave(order) // it is repeated
	if err := a.awaitLeave(t.Context()); !errors.Is(err, errLeave) {
		t.Errorf("got %v", err)
	}
	if id, _, err := a.state.readIdentity(); err != nil || id.Leaving != federation.Retain || id.Left {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestLetGoOfAnothers: a cluster that has joined another federation since is not touched.
func TestLetGoOfAnothers(t *testing.T) {
	a := newLeaver(t, identity{Leaving: federation.Delete, Marked: true})
	other := &ground{marker: kube.Marker{Federation: "F2", Member: "tokyo"}}
	a.home = other
	must(t, a.letGo(t.Context())) // it has no lander
	if other.marker.Federation != "F2" {
		t.Error("the marker of another federation was removed")
	}
}

// TestTellLeft: the agent asks until the hub knows, or does not know it any more.
func TestTellLeft(t *testing.T) {
	refuse := func(k messaging.Kind) error { return messaging.Errorf(k, "no") }
	for _, c := range []struct {
		name    string
		answers []error
	}{
		{"at last", []error{refuse(messaging.Unavailable), refuse(messaging.Conflict), nil}},
		{"no member", []error{refuse(messaging.NotFound)}},
		{"an account of nobody", []error{refuse(messaging.Unavailable), refuse(messaging.Denied)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newLeaver(t, identity{Leaving: federation.Delete, Left: true})
			asked := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			listens := make(chan error, 1)
			go func() {
				listens <- a.control.(*line).Respond(ctx, subject.MemberUp(subject.UpLeave), func(_ context.Context, m messaging.Message) ([]byte, error) {
					r, err := federationv1.DecodeLeaveReport(m.Data)
					if err != nil || r != (federation.LeaveReport{Member: "tokyo", ClusterID: "c1", Done: true}) {
						t.Errorf("told %+v, %v", r, err)
					}
					asked++
					return nil, c.answers[asked-1]
				})
			}()
			must(t, a.tellLeft(ctx))
			if asked != len(c.answers) {
				t.Errorf("asked %d times", asked)
			}
		})
	}
	a := newLeaver(t, identity{Leaving: federation.Delete, Left: true})
	mark(a.disowned) // a gateway has said so, and the bus does not let it in
	must(t, a.tellLeft(t.Context()))
}

// TestHasLeft: an agent that has left keeps nothing, starts for nothing with what it
// joined by, and joins by a new token.
func TestHasLeft(t *testing.T) {
	a := newLeaver(t, identity{Leaving: federation.Delete, Left: true})
	must(t, a.state.writeIdentity(a.book.read()))
	must(t, a.state.write(guardFile, []byte("{}")))
	must(t, a.keepLeases(guard.Held{}))
	must(t, a.forget())
	for _, name := range []string{identityFile, guardFile, leasesFile} {
		if _, err := os.Stat(a.state.path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	token := a.opts.JoinToken
	for _, same := range []string{"", token} {
		a.opts.JoinToken = same
		if _, err := a.admitted(t.Context(), "c1"); !errors.Is(err, errLeft) {
			t.Errorf("with %q: %v", same, err)
		}
	}
	d := newDoor(t)
	d.answers <- nil
	a.opts.JoinToken = strings.TrimSuffix(d.token(), "id.secret") + "id2.secret"
	if id, err := a.admitted(t.Context(), "c1"); err != nil || id.Leaving != "" {
		t.Errorf("with a new token: %+v, %v", id, err)
	}
}
