package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Accounts makes the identities of members on the bus.
type Accounts interface {
	// AddMember lets the bus know the account of a member and returns its public key. A
	// record without an account means a new one.
	AddMember(ctx context.Context, m federation.MemberSpec) (string, error)
	// SignUser returns a user JWT for the public user key in the account.
	SignUser(account, userKey string) (jwt string, expires time.Time, err error)
	// Revoke ends the account, and RevokeUser one user of it; live connections are cut.
	Revoke(ctx context.Context, account string) error
	RevokeUser(ctx context.Context, account, userKey string) error
	// CheckSignature checks that the user key signed the text.
	CheckSignature(userKey string, text, signature []byte) error
}

// WorkBuckets opens the buckets of members' works.
type WorkBuckets interface {
	// WorkBucket returns the bucket with the works of the account; it makes the
	// bucket when there is none.
	WorkBucket(ctx context.Context, account string) (messaging.Bucket, error)
	// ReplayWorks makes the member, of which a new life begins, get every work of its
	// bucket again, unless it still holds all that the last one was given: every order
	// up to the revision held, 0 for none.
	ReplayWorks(ctx context.Context, account string, held federation.Revision) error
	// DropWorks removes the bucket; that there is none is as good.
	DropWorks(ctx context.Context, account string) error
}

// joins lets agents join. A join that is refused changes nothing.
type joins struct {
	tokens     tokens
	members    messaging.Bucket
	accounts   Accounts
	works      WorkBuckets
	seal       sealed.Sealer
	busURLs    []string
	busCA      []byte
	federation string
	dir        *directory
}

// join checks the request, writes the member's record, consumes the token and returns
// the agent's credentials. The record comes first: when the hub ends in between, the same
// token joins the same cluster again, and no other. A cluster that lost its agent's state
// may join again under its name with a new token.
func (j joins) join(ctx context.Context, r federation.JoinRequest, now time.Time) (federation.JoinReply, error) {
	if err := checkJoin(r); err != nil {
		return federation.JoinReply{}, err
	}
	token, revision, err := j.tokens.check(ctx, r, now)
	if err != nil {
		return federation.JoinReply{}, err
	}
	if r.SealKey != "" {
		if err := checkSealKey(j.seal, r.Member, r.SealKey); err != nil {
			return federation.JoinReply{}, err
		}
	}
	release, err := j.strange(r)
	if err != nil {
		return federation.JoinReply{}, err
	}
	defer release()
	spec, expected, err := j.known(ctx, r)
	if err != nil {
		return federation.JoinReply{}, err
	}
	known := spec
	known.Name = r.Member
	account, err := j.accounts.AddMember(ctx, known)
	if err != nil {
		return federation.JoinReply{}, fmt.Errorf("make the account of %s: %w", r.Member, err)
	}
	if _, err := j.works.WorkBucket(ctx, account); err != nil {
		return federation.JoinReply{}, fmt.Errorf("make the work bucket of %s: %w", r.Member, err)
	}
	if expected != 0 { // it lost its disk
		if err := j.works.ReplayWorks(ctx, account, 0); err != nil {
			return federation.JoinReply{}, err
		}
	}
	jwt, expires, err := j.accounts.SignUser(account, r.UserKey)
	if err != nil {
		return federation.JoinReply{}, messaging.Errorf(messaging.Invalid, "join of %s: %v", r.Member, err)
	}
	spec = replaced(joined(spec, r, account, now), federation.BusUser{Key: r.UserKey, IssuedAt: now, ExpiresAt: expires})
	if err := j.write(ctx, spec, expected); err != nil {
		return federation.JoinReply{}, err
	}
	j.dir.set(spec)
	if err := j.tokens.consume(ctx, token, revision); err != nil {
		return federation.JoinReply{}, err
	}
	return federation.JoinReply{UserJWT: jwt, BusURLs: j.busURLs, BusCA: j.busCA, Account: account, ExpiresAt: expires, Federation: j.federation}, nil
}

// strange refuses a cluster that belongs to another federation, or that is or becomes a
// member of this one under another name. Until release is called it becomes none.
func (j joins) strange(r federation.JoinRequest) (release func(), err error) {
	if r.Federation != "" && j.federation != "" && r.Federation != j.federation {
		return nil, messaging.Errorf(messaging.Exists,
			"join of %s: the cluster belongs to another federation (%s, this is %s): remove it there with \"hansa leave\"; if it was removed without its agent, delete ConfigMap hansa-system/hansa-member in the cluster",
			r.Member, r.Federation, j.federation)
	}
	if !j.dir.whole() {
		return nil, errUnread
	}
	if name := j.dir.claim(r.ClusterID, r.Member); name != r.Member {
		return nil, messaging.Errorf(messaging.Exists, "join of %s: the cluster is a member already, as %s: remove that first with \"hansa leave %s\"", r.Member, name, name)
	}
	return func() { j.dir.disclaim(r.ClusterID) }, nil
}

// known returns the record that the name has, and its revision; both are zero
// for a new name. A name that another cluster has is refused.
func (j joins) known(ctx context.Context, r federation.JoinRequest) (federation.MemberSpec, federation.Revision, error) {
	entry, err := j.members.Get(ctx, subject.MemberKey(r.Member))
	if errors.Is(err, messaging.ErrNotFound) {
		return federation.MemberSpec{}, 0, nil
	}
	if err != nil {
		return federation.MemberSpec{}, 0, fmt.Errorf("read member %s: %w", r.Member, err)
	}
	spec, err := federationv1.DecodeMemberSpec(entry.Value)
	if err != nil {
		return federation.MemberSpec{}, 0, err
	}
	if spec.ClusterID != r.ClusterID {
		return federation.MemberSpec{}, 0, messaging.Errorf(messaging.Exists,
			"join of %s: another cluster has joined under this name: choose another name, or remove it with \"hansa leave %s\"", r.Member, r.Member)
	}
	if spec.Leaving.Leaves() {
		return federation.MemberSpec{}, 0, messaging.Errorf(messaging.Exists,
			"join of %s: it is leaving: start its agent with the state that it had, and wait until that has let go of the cluster; or, if that is lost, \"hansa leave %s --forget\"", r.Member, r.Member)
	}
	return spec, entry.Revision, nil
}

func (j joins) write(ctx context.Context, spec federation.MemberSpec, expected federation.Revision) error {
	_, err := j.members.Put(ctx, subject.MemberKey(spec.Name), federationv1.EncodeMemberSpec(spec), expected)
	if errors.Is(err, messaging.ErrConflict) {
		return messaging.Errorf(messaging.Conflict, "join of %s: its record changed meanwhile: join again with a new token", spec.Name)
	}
	if err != nil {
		return fmt.Errorf("write member %s: %w", spec.Name, err)
	}
	return nil
}

// joined is the record after the join: what the agent says replaces what it said
// before, what operators decided (taints, cordon) stays. That it joined now says that
// its counters begin anew. A new member has no works, so none that is sealed to another
// key; those of one that joins again are, and are sent again.
func joined(spec federation.MemberSpec, r federation.JoinRequest, account string, now time.Time) federation.MemberSpec {
	spec.Name, spec.Account, spec.ClusterID = r.Member, account, r.ClusterID
	spec.Place = catalogue.Resolve(r.Place)
	spec.Labels = r.Labels
	spec.ProbeURL, spec.ProbeCA = r.ProbeURL, r.ProbeCA
	if spec.JoinedAt.IsZero() {
		spec.SealedTo = r.SealKey
	}
	spec.SealKey, spec.JoinedAt = r.SealKey, now
	return spec
}

func checkJoin(r federation.JoinRequest) error {
	if err := checkNewName(r.Member); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{
		{"cluster id", r.ClusterID}, {"user key", r.UserKey}, {"token id", r.TokenID}, {"region", r.Place.Region},
	} {
		if f.value == "" {
			return messaging.Errorf(messaging.Invalid, "join of %s: the %s is missing", r.Member, f.name)
		}
	}
	return nil
}
