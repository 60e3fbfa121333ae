package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/admit"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Waits between attempts to let go of the cluster.
const (
	firstLetGo = time.Second
	lastLetGo  = 30 * time.Second
)

var (
	// errLeave ends the roles of an agent that leaves.
	errLeave = errors.New("the member leaves")
	// errLeft ends an agent that has left, and one that was given nothing to join with
	// since.
	errLeft = errors.New("this cluster has left the federation")
)

// farewell is what an agent remembers that has left.
type farewell struct {
	Member string `json:"member"`
	// Token by which it cannot join again.
	Token string `json:"token,omitempty"`
}

// hearLeave takes the hub's order to let go of the cluster; it is repeated.
func (a *Agent) hearLeave(m messaging.Message) {
	o, err := federationv1.DecodeLeaveOrder(m.Data)
	id := a.book.read()
	switch {
	case err != nil || o.Remains != federation.Retain && o.Remains != federation.Delete:
		a.log.Warn("an order to leave is not readable", "reason", err, "objects", o.Remains)
	case o.Member != id.Member || o.ClusterID != id.ClusterID:
		a.log.Warn("an order to leave is for another", "for", o.Member, "cluster", o.ClusterID)
	default:
		select {
		case a.leave <- o.Remains:
		default: // it is being obeyed
		}
	}
}

// awaitLeave ends all roles when the hub has the member leave. That is written down
// first: what has begun is brought to its end, whatever happens to the hub and to this
// process.
func (a *Agent) awaitLeave(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case remains := <-a.leave:
		if err := a.book.change(func(id *identity) { id.Leaving = remains }); err != nil {
			return err
		}
		a.log.Info("leaving the federation", "objects", remains)
		return errLeave
	}
}

// part does the agent's part: first in the cluster, however long that takes, then at the
// hub.
func (a *Agent) part(ctx context.Context) error {
	if !a.book.read().Left {
		if err := a.clear(ctx); err != nil {
			return err
		}
		if err := a.book.change(func(id *identity) { id.Left = true }); err != nil {
			return err
		}
	}
	return a.tellLeft(ctx)
}

// clear tries until nothing of Hansa is left in the cluster, and tells what it waits for.
func (a *Agent) clear(ctx context.Context) error {
	told := ""
	for every := firstLetGo; ; every = min(2*every, lastLetGo) {
		err := a.letGo(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			a.log.Warn("the cluster cannot be let go of yet, trying again", "reason", told)
			_ = a.reportLeave(ctx, federation.LeaveReport{Waits: told}) // it is in the log, too
		}
		if !wait(ctx, every) {
			return ctx.Err()
		}
	}
}

// letGo takes Hansa out of the cluster: what it imported, what it landed, what asks about pods, and last
// the marker, so that the cluster can join another federation. One that has joined
// another meanwhile is left alone.
func (a *Agent) letGo(ctx context.Context) error {
	id := a.book.read()
	mine := kube.Marker{Federation: id.Federation, Member: id.Member}
	found, err := a.home.Marker(ctx)
	if err != nil {
		return err
	}
	if found != mine && found != (kube.Marker{}) {
		a.log.Warn("the cluster has joined another federation since: nothing is touched in it", "federation", found.Federation, "as", found.Member)
		return nil
	}
	if err := a.cluster.DropImports(ctx); err != nil { // nobody would keep them any more
		return err
	}
	if err := a.lander.LetGo(ctx, id.Leaving); err != nil {
		return err
	}
	if a.opts.AdmissionListen != "" {
		r := kube.Ref{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration", Name: admit.ConfigurationName}
		if err := a.cluster.Remove(ctx, r); err != nil {
			return err
		}
	}
	return a.home.Unmark(ctx, mine)
}

// tellLeft tells the hub that the cluster is let go of, until that is known: the hub says
// so, or it knows the member no more.
func (a *Agent) tellLeft(ctx context.Context) error {
	for {
		err := a.reportLeave(ctx, federation.LeaveReport{Done: true})
		var refusal *messaging.RemoteError
		if err == nil {
			return nil
		}
		if errors.As(err, &refusal) && disowns(refusal.Kind) {
			a.log.Info("the hub does not know this member any more", "reason", refusal.Text)
			return nil
		}
		a.log.Debug("the hub does not know yet that the cluster is let go of", "reason", err)
		t := time.NewTimer(firstLetGo)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.disowned:
			return nil
		case <-t.C:
		}
	}
}

// disowns reports whether a refusal says that the member is none, or not this one.
func disowns(k messaging.Kind) bool {
	return k == messaging.NotFound || k == messaging.Denied || k == messaging.Refused
}

func (a *Agent) reportLeave(ctx context.Context, r federation.LeaveReport) error {
	id := a.book.read()
	r.Member, r.ClusterID = id.Member, id.ClusterID
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	_, err := a.control.Request(ctx, subject.MemberUp(subject.UpLeave), federationv1.EncodeLeaveReport(r))
	return err
}

// forget ends the agent's membership in its state directory, the identity last. What
// stays is the count of its lives, and that it has left.
func (a *Agent) forget() error {
	left := farewell{Member: a.opts.Name}
	if t, err := parseToken(a.opts.JoinToken); err == nil {
		left.Token = t.id
	}
	b, err := json.Marshal(left)
	if err != nil {
		return err
	}
	if err := a.state.write(leftFile, b); err != nil {
		return err
	}
	remains := a.book.read().Leaving
	a.closeWorks()
	for _, name := range []string{worksFile, guardFile, leasesFile, admissionFile, identityFile} {
		if err := a.state.forget(name); err != nil {
			return fmt.Errorf("forget the federation: %w", err)
		}
	}
	a.log.Info("left the federation", "objects", remains)
	return nil
}

// hasLeft says that an agent without an identity has left, and has no new token.
func (a *Agent) hasLeft() error {
	b, err := a.state.read(leftFile)
	if err != nil || b == nil {
		return err
	}
	var left farewell
	if err := json.Unmarshal(b, &left); err != nil {
		return fmt.Errorf("%s is damaged: remove it, and join with a new token: %w", a.state.path(leftFile), err)
	}
	if t, err := parseToken(a.opts.JoinToken); a.opts.JoinToken == "" || err == nil && t.id == left.Token {
		return fmt.Errorf("%w, as %s: to join again, make a token with \"hansa token create --member %s\"", errLeft, left.Member, a.opts.Name)
	}
	return nil
}
