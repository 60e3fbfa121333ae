package member

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// connect makes the two connections to the bus, which begin at different servers when
// there are several, and what keeps their credentials in order.
func (a *Agent) connect() (err error) {
	id := a.book.read()
	a.access = access.New(access.Options{
		Member: id.Member, ClusterID: id.ClusterID, Incarnation: a.incarnation, Keys: a.opts.Keys, Log: a.log,
		Hub:  access.Hub{Bus: a.askToRotate, Gateway: a.askGateway, Rotated: a.tellRotated},
		Save: func(s access.State) error { return a.book.change(func(id *identity) { id.State = s }) },
	}, id.State)
	if a.control, err = a.opts.Dial(a.connection("", 0)); err != nil {
		return err
	}
	if a.beats, err = a.opts.Dial(a.connection(" beats", 1)); err != nil {
		a.control.Close()
		return err
	}
	a.access.Use(a.beats, a.control)
	return nil
}

// connection describes one to the bus, which begins at the server that is so many after
// the first.
func (a *Agent) connection(suffix string, after int) Connection {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.opts.Name)) // a hash takes everything
	return Connection{
		Name: a.opts.Name + suffix, Account: a.book.read().Account, Credentials: a.access.Credentials, Refused: a.access.Refused,
		First: 1 + after + int(h.Sum32()%1024),
	}
}

// askToRotate asks the hub for another user.
func (a *Agent) askToRotate(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpRotate), federationv1.EncodeRotation(r))
	if err != nil {
		return federation.RotationReply{}, err
	}
	return federationv1.DecodeRotationReply(b)
}

func (a *Agent) tellRotated(ctx context.Context, r federation.Rotated) error {
	_, err := a.control.Request(ctx, subject.MemberUp(subject.UpRotated), federationv1.EncodeRotated(r))
	return err
}

// hearOrder takes the hub's order to replace the user.
func (a *Agent) hearOrder(m messaging.Message) {
	o, err := federationv1.DecodeRotationOrder(m.Data)
	if err != nil {
		a.log.Warn("an order to replace the credentials is not readable", "reason", err)
		return
	}
	a.access.Order(o)
}

// byCode says what kind of refusal a gateway passes on.
var byCode = map[codes.Code]messaging.Kind{
	codes.InvalidArgument: messaging.Invalid, codes.NotFound: messaging.NotFound,
	codes.FailedPrecondition: messaging.Refused, codes.PermissionDenied: messaging.Denied,
}

// gateways are those that the agent knows, the one that its configuration names first.
func (a *Agent) gateways() []gateway {
	var out []gateway
	if t, err := parseToken(a.opts.JoinToken); err == nil {
		out = append(out, t.gateway)
	}
	if g := a.book.read().Gateway; g.Address != "" && (len(out) == 0 || out[0].Address != g.Address) {
		out = append(out, g)
	}
	return out
}

// askGateway asks for another user while the bus does not let the agent in.
func (a *Agent) askGateway(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
	err := errors.New("and no gateway is known to ask for others: put a join token of this federation into the configuration; it may be an old one")
	for _, g := range a.gateways() {
		var reply federation.RotationReply
		if reply, err = g.renew(ctx, r, a.book.read().BusCA); err == nil {
			return reply, nil
		}
		if kind, refused := byCode[status.Code(err)]; refused {
			if kind == messaging.NotFound {
				mark(a.disowned)
			}
			return reply, messaging.Errorf(kind, "%s", status.Convert(err).Message())
		}
		err = fmt.Errorf("gateway %s: %w", g.Address, said(err))
	}
	return federation.RotationReply{}, err
}

func (g gateway) renew(ctx context.Context, r federation.Rotation, ca []byte) (federation.RotationReply, error) {
	conn, err := g.dial(ca)
	if err != nil {
		return federation.RotationReply{}, err
	}
	defer func() { _ = conn.Close() }() // the answer is here already
	reply, err := gatewayv1.NewJoinServiceClient(conn).Renew(ctx, &gatewayv1.RenewRequest{
		Member: r.Member, ClusterId: r.ClusterID, UserKey: r.Key, NewUserKey: r.NewKey, At: timestamppb.New(r.At), Signature: r.Signature,
	})
	return federation.RotationReply{UserJWT: reply.GetUserJwt()}, err
}

// publishBeat sends a beat, on both connections while they go to different servers: the
// hub takes the first that comes.
func (a *Agent) publishBeat(b federation.Beat) {
	data := federationv1.EncodeBeat(b)
	_ = a.beats.Publish(subject.MemberBeat(), data) // the next one follows
	if a.beats.Server() != a.control.Server() {
		_ = a.control.Publish(subject.MemberBeat(), data) // likewise
	}
}

// Times between two looks at whether the connections go to different servers.
const (
	firstApart = 30 * time.Second
	lastApart  = 10 * time.Minute
)

// keepApart lets the connections go to different servers again after both had to go to
// one.
func (a *Agent) keepApart(ctx context.Context) error {
	for next := firstApart; wait(ctx, next); {
		at := a.beats.Server()
		if at == "" || at != a.control.Server() || len(a.access.Credentials().BusURLs) < 2 {
			next = firstApart
			continue
		}
		next = min(2*next, lastApart)
		if err := a.beats.Move(ctx); err != nil {
			a.log.Debug("both connections go to one server of the bus", "server", at, "reason", err)
		}
	}
	return nil
}
