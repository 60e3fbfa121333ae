package nats

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging/subject"
)

// Gateways are users of an account of their own, GATEWAY, because a server delivers an
// answer to whatever subject the asker names, with the rights of the account in which it
// answers: in HUB that could be a request to JetStream, or a member's order. From GATEWAY
// an answer goes back to GATEWAY, and to nothing but the subjects there.
//
// It is one account for all gateways and not one for each: credentials are made beside a
// hub's keys, without asking a server, and a server knows an account only when it was
// given it. What gateways have in common there is kept apart by the rights of each user,
// by names that nobody guesses, and by hubHeader.

// offer is something of HUB that the account GATEWAY imports.
type offer struct {
	name, subject, local string // local: "" is the same subject
	kind                 jwt.ExportType
	response             jwt.ResponseType
}

// offers lists all that gateways have of HUB. They are exported for a token that names
// the account GATEWAY: on servers with other accounts, nobody else can import them.
func offers() []offer {
	out := []offer{
		{name: "hub beat", subject: subject.HubBeat(), kind: jwt.Stream},
		{name: "hub opinion", subject: subject.HubOpinion(), kind: jwt.Stream},
		{name: "gateway beat", subject: subject.GatewayBeat()},
	}
	for _, method := range subject.HubMethods() {
		out = append(out, offer{name: method, subject: subject.Hub(method)})
	}
	for _, bucket := range subject.Shown() {
		for _, r := range apiRequests(streamName(bucket)) {
			one := offer{name: r, subject: subject.API() + "." + r, local: apiPrefix + "." + r}
			if strings.Contains(r, ".NEXT.") {
				one.response = jwt.ResponseTypeStream
			}
			out = append(out, one)
		}
	}
	for i := range out {
		if out[i].kind == jwt.Unknown {
			out[i].kind = jwt.Service
		}
		if out[i].kind == jwt.Service && out[i].response == "" {
			out[i].response = jwt.ResponseTypeSingleton
		}
	}
	return out
}

// apiRequests are what a gateway asks JetStream about a bucket's stream. It makes no
// consumer itself: one that pushes could be told to deliver to any subject of HUB.
func apiRequests(stream string) []string {
	return []string{"STREAM.INFO." + stream, "STREAM.MSG.GET." + stream, "CONSUMER.INFO." + stream + ".*", "CONSUMER.MSG.NEXT." + stream + ".*"}
}

func gatewayExports() jwt.Exports {
	var out jwt.Exports
	for _, s := range offers() {
		out.Add(&jwt.Export{Name: "gateway: " + s.name, Subject: jwt.Subject(s.subject), Type: s.kind, ResponseType: s.response, TokenReq: true})
	}
	return out
}

// gatewayMappings give JetStream's requests a second name in HUB: two exports of one
// subject, to members and to gateways, are not possible.
func gatewayMappings() jwt.Mapping {
	out := jwt.Mapping{}
	for _, r := range apiRequests("*") {
		out[jwt.Subject(subject.API()+"."+r)] = []jwt.WeightedMapping{{Subject: jwt.Subject("$JS.API." + local(r))}}
	}
	return out
}

// tunnelExports are what GATEWAY offers to members, each of which gets what has its own
// account key. It does not go through HUB: what a server brings from one account to
// another as a request, it brings to no third one.
func tunnelExports() jwt.Exports {
	all := ownTunnels("*")
	return jwt.Exports{
		{Name: "tunnel open", Subject: jwt.Subject(all.Open()), Type: jwt.Stream, AccountTokenPosition: 4},
		{Name: "tunnel down", Subject: jwt.Subject(all.Down()), Type: jwt.Stream, AccountTokenPosition: 4},
		service("tunnel up", all.Up(), 4, jwt.ResponseTypeSingleton),
	}
}

// tunnelImports are the same for one member.
func (k *Keys) tunnelImports(account string) []*jwt.Import {
	gateway := public(k.gateway)
	seen, own := subject.Tunnel{Account: account, Dialer: "*", Session: "*"}, subject.Tunnel{Dialer: "*", Session: "*"}
	return []*jwt.Import{
		imported(gateway, jwt.Stream, seen.Open(), local(own.Open())), imported(gateway, jwt.Stream, seen.Down(), local(own.Down())),
		imported(gateway, jwt.Service, seen.Up(), local(own.Up())),
	}
}

// local is a local name in which the wildcards are those of the imported one, in order.
func local(subj string) string {
	return strings.Replace(strings.Replace(subj, "*", "$1", 1), "*", "$2", 1)
}

func (k *Keys) gatewayClaims() (*jwt.AccountClaims, error) {
	account := public(k.gateway)
	claims := jwt.NewAccountClaims(account)
	claims.Name, claims.Exports = "GATEWAY", tunnelExports()
	for _, s := range offers() {
		permit := jwt.NewActivationClaims(account)
		permit.Name, permit.ImportSubject, permit.ImportType = s.name, jwt.Subject(s.subject), s.kind
		token, err := permit.Encode(k.hub)
		if err != nil {
			return nil, fmt.Errorf("permit gateways %s: %w", s.name, err)
		}
		one := imported(public(k.hub), s.kind, s.subject, s.local)
		one.Name, one.Token = s.name, token
		claims.Imports.Add(one)
	}
	return claims, nil
}

// ownAccounts are those that servers must have from the start, but for the system
// account; HUB before who imports from it.
func (k *Keys) ownAccounts() ([]*jwt.AccountClaims, error) {
	gateway, err := k.gatewayClaims()
	return []*jwt.AccountClaims{k.hubClaims(), gateway}, err
}

// gatewayName is what a gateway may be called by the person who makes its credentials;
// no key of a user looks like that.
var gatewayName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// GatewayCredentials makes a user for the gateway of that name. A gateway that runs takes
// new credentials only for its own name: what it listens on is under it.
func (k *Keys) GatewayCredentials(name string, ttl time.Duration) (Credentials, error) {
	if !gatewayName.MatchString(name) {
		return Credentials{}, fmt.Errorf("make credentials: %q is no name of a gateway: want lower-case letters, digits and \"-\", at most 63", name)
	}
	return k.credentials(GatewayRole, name, ttl)
}

const inbox = "_INBOX."

// permitGateway gives a user of the account GATEWAY its rights: a second lock, which also
// keeps gateways apart from each other.
func permitGateway(claims *jwt.UserClaims, name string) {
	tunnels := ownTunnels(name)
	claims.Sub.Allow = append(jwt.StringList{inbox + name + ".>", tunnels.Up()}, subject.FromHubs()...)
	claims.Pub.Allow = jwt.StringList{subject.GatewayBeat(), tunnels.Open(), tunnels.Down()}
	for _, method := range subject.HubMethods() {
		claims.Pub.Allow.Add(subject.Hub(method))
	}
	for _, bucket := range subject.Shown() {
		for _, r := range apiRequests(streamName(bucket)) {
			claims.Pub.Allow.Add(apiPrefix + "." + r)
		}
	}
}

// gatewayOf is the gateway whose credentials these are; empty when they are of another
// account, as those of gateways were that earlier versions made.
func gatewayOf(user *jwt.UserClaims) string {
	if user == nil {
		return ""
	}
	for _, subj := range user.Sub.Allow {
		rest, isInbox := strings.CutPrefix(subj, inbox)
		if name, ok := strings.CutSuffix(rest, ".>"); ok && isInbox {
			return name
		}
	}
	return ""
}

// errOtherGateway: a connection cannot go on with the credentials of somebody else.
var errOtherGateway = errors.New("the credentials are of another gateway than those that this one began with: make them with \"hansa hub credentials --name\" and its name, or start it again")

func (k *Keys) credentials(role Role, name string, ttl time.Duration) (Credentials, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return Credentials{}, fmt.Errorf("make credentials: %w", err)
	}
	claims := jwt.NewUserClaims(public(user))
	claims.Name = string(role)
	if ttl > 0 {
		claims.Expires = time.Now().Add(ttl).Unix()
	}
	signer := k.hub
	switch role {
	case SystemRole:
		signer = k.system
	case GatewayRole:
		if name == "" {
			name = claims.Subject
		}
		signer = k.gateway
		permitGateway(claims, name)
	}
	token, err := claims.Encode(signer)
	if err != nil {
		return Credentials{}, fmt.Errorf("sign credentials: %w", err)
	}
	seed, err := user.Seed()
	return Credentials{JWT: token, Seed: seed}, err
}
