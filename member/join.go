package member

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/member/access"
)

// joinLimit bounds one attempt to join, joinEvery is the wait between them.
const (
	joinLimit = 10 * time.Second
	joinEvery = time.Second
)

// token is a join token: where to join, whom to trust there, and the right to.
type token struct {
	gateway
	id, secret string
}

// gateway is one that an agent knows.
type gateway struct {
	Address string `json:"address"` // host:port
	Pin     []byte `json:"pin"`     // SHA-256 of the public key in its certificate
}

// parseToken reads "<host:port>#<base64url SHA-256>#<id>.<secret>".
func parseToken(s string) (token, error) {
	bad := errors.New("the join token is not one: copy the whole line that \"hansa token create\" printed")
	parts := strings.Split(s, "#")
	if len(parts) != 3 {
		return token{}, bad
	}
	pin, err := base64.RawURLEncoding.DecodeString(parts[1])
	id, secret, ok := strings.Cut(parts[2], ".")
	if err != nil || len(pin) != sha256.Size || !ok || parts[0] == "" || id == "" || secret == "" {
		return token{}, bad
	}
	return token{gateway: gateway{Address: parts[0], Pin: pin}, id: id, secret: secret}, nil
}

// admitted returns the identity of an earlier join, or joins.
func (a *Agent) admitted(ctx context.Context, clusterID string) (identity, error) {
	id, joined, err := a.state.readIdentity()
	switch {
	case err != nil:
		return id, err
	case joined && id.Member != a.opts.Name:
		return id, fmt.Errorf("state directory %s belongs to member %s: give %s its own", a.opts.StateDir, id.Member, a.opts.Name)
	case joined && id.ClusterID != clusterID:
		return id, fmt.Errorf("state directory %s belongs to cluster %s, and this is cluster %s: join it under a name of its own", a.opts.StateDir, id.ClusterID, clusterID)
	case joined:
		a.tellRights(ctx)
		return id, nil
	}
	if err := a.hasLeft(); err != nil {
		return id, err
	}
	if a.opts.JoinToken == "" {
		return id, fmt.Errorf("not joined yet, and there is no join token: make one with \"hansa token create --member %s\"", a.opts.Name)
	}
	if err := a.checkRights(ctx); err != nil {
		return id, notJoined(err)
	}
	return a.join(ctx, clusterID)
}

// join asks until a gateway answers; a refusal ends it.
func (a *Agent) join(ctx context.Context, clusterID string) (identity, error) {
	t, err := parseToken(a.opts.JoinToken)
	if err != nil {
		return identity{}, err
	}
	userKey, seed, err := a.opts.Keys.New()
	if err != nil {
		return identity{}, err
	}
	sealTo, err := a.newSealKey()
	if err != nil {
		return identity{}, err
	}
	request := &gatewayv1.JoinRequest{
		TokenId: t.id, TokenSecret: t.secret, Member: a.opts.Name, Labels: a.opts.Labels, ClusterId: clusterID, UserKey: userKey, SealKey: sealTo.Public, Version: a.opts.Version,
		Place: &gatewayv1.Place{
			Region: a.opts.Place.Region, Zone: a.opts.Place.Zone, Provider: a.opts.Place.Provider, Jurisdiction: a.opts.Place.Jurisdiction,
			Latitude: a.opts.Place.Latitude, Longitude: a.opts.Place.Longitude,
		},
	}
	if request.ProbeUrl, request.ProbeCa, err = a.probeAddress(); err != nil {
		return identity{}, err
	}
	marker, err := a.home.Marker(ctx)
	if err != nil {
		return identity{}, err
	}
	request.Federation = marker.Federation
	for told := false; ; told = true {
		reply, err := askToJoin(ctx, t, request)
		if err == nil {
			id := identity{Member: a.opts.Name, ClusterID: clusterID, SealKeys: []sealKey{sealTo}, Federation: reply.GetFederation(), Gateway: t.gateway, State: access.State{Credentials: access.Credentials{
				BusURLs: reply.GetBusUrls(), BusCA: reply.GetBusCa(), Account: reply.GetAccount(), JWT: reply.GetUserJwt(), Seed: seed,
			}}}
			a.log.Info("joined", "bus", strings.Join(id.BusURLs, " "))
			return id, a.state.writeIdentity(id)
		}
		if !passing(err) {
			return identity{}, said(err)
		}
		if !told {
			a.log.Warn("cannot join yet, trying again", "gateway", t.Address, "reason", said(err))
		}
		if !wait(ctx, joinEvery) {
			return identity{}, ctx.Err()
		}
	}
}

// passing reports whether another attempt may succeed.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted:
		return !strings.Contains(err.Error(), errWrongGateway.Error())
	}
	return false
}

var errWrongGateway = errors.New("the gateway is not the one that made the join token: make a new token")

// said is what a gateway says, or why it is not talked to.
func said(err error) error {
	text := status.Convert(err).Message()
	if strings.Contains(text, errWrongGateway.Error()) {
		return errWrongGateway
	}
	return errors.New(text)
}

func askToJoin(ctx context.Context, t token, request *gatewayv1.JoinRequest) (*gatewayv1.JoinResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	conn, err := t.dial(nil)
	if err != nil {
		return nil, fmt.Errorf("join at %s: %w", t.Address, err)
	}
	defer func() { _ = conn.Close() }() // the answer is here already
	return gatewayv1.NewJoinServiceClient(conn).Join(ctx, request)
}

// dial makes a connection to the gateway, which trusts exactly the key that is pinned,
// whoever signed its certificate; and what one of the CAs (PEM) signed, if there are any.
func (g gateway) dial(ca []byte) (*grpc.ClientConn, error) {
	name, _, err := net.SplitHostPort(g.Address)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(g.Address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the key itself is compared below
		VerifyConnection: func(s tls.ConnectionState) error {
			hash := sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if subtle.ConstantTimeCompare(hash[:], g.Pin) == 1 || signed(s.PeerCertificates, name, ca) {
				return nil
			}
			return errWrongGateway
		},
	})))
}

// signed reports whether one of the CAs signed the first certificate, for that name.
func signed(chain []*x509.Certificate, name string, ca []byte) bool {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return false
	}
	for _, crt := range chain[1:] {
		others.AddCert(crt)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: others})
	return err == nil
}

func (a *Agent) probeAddress() (string, []byte, error) {
	switch {
	case a.opts.NoProbe:
		return "", nil, nil
	case a.opts.ProbeURL != "":
		return a.opts.ProbeURL, a.opts.ProbeCA, nil
	}
	return a.cluster.Probe()
}
