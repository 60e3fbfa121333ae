package nats

import (
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/hansa-io/hansa/messaging/subject"
)

// Limits of one member's account.
const (
	memberConnections   = 8
	memberSubscriptions = 500
	memberPayload       = 4 << 20 // bytes
)

// Role is a kind of user of the federation's own accounts.
type Role string

// The roles.
const (
	HubRole     Role = "hub"     // everything in the account HUB
	GatewayRole Role = "gateway" // in the account GATEWAY: reads all buckets but tokens and leases, asks the hub, opens tunnels of its own
	SystemRole  Role = "system"  // of the system account: gives accounts to the servers, and asks how they are
)

func (k *Keys) operatorClaims() *jwt.OperatorClaims {
	claims := jwt.NewOperatorClaims(public(k.operator))
	claims.Name, claims.SystemAccount = "hansa", public(k.system)
	return claims
}

func (k *Keys) systemClaims() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(k.system))
	claims.Name = "SYS"
	return claims
}

func (k *Keys) hubClaims() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(k.hub))
	claims.Name = "HUB"
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	claims.Exports = append(exports(), gatewayExports()...)
	claims.Mappings = gatewayMappings()
	return claims
}

// exports are what HUB offers to members. The account token position makes the
// server compare, or put in, the importing account's key at that token.
func exports() jwt.Exports {
	return jwt.Exports{
		service("up", subject.AnyUp(), 4, jwt.ResponseTypeSingleton),
		{Name: "down", Subject: jwt.Subject(subject.AnyDown()), Type: jwt.Stream, AccountTokenPosition: 4},
		service("next", "$JS.API.CONSUMER.MSG.NEXT.*.*", 7, jwt.ResponseTypeStream),
		service("info", "$JS.API.CONSUMER.INFO.*.*", 6, jwt.ResponseTypeSingleton),
		service("ack", "$JS.ACK.*.*.>", 4, jwt.ResponseTypeSingleton),
	}
}

func service(name, subj string, position uint, response jwt.ResponseType) *jwt.Export {
	return &jwt.Export{
		Name: name, Subject: jwt.Subject(subj), Type: jwt.Service, ResponseType: response, AccountTokenPosition: position,
	}
}

// apiPrefix is where members and gateways find their part of HUB's JetStream API; every
// account already imports the standard prefix for its own.
const apiPrefix = "HJS.API"

// memberClaims is a member's account: it imports its own part of HUB. Nobody keeps
// the account's own key; its users are signed by the signing key.
func (k *Keys) memberClaims(member, account string) *jwt.AccountClaims {
	hub, stream := public(k.hub), subject.WorkBucket(account)
	claims := jwt.NewAccountClaims(account)
	claims.Name = member
	claims.SigningKeys.Add(public(k.signer))
	claims.Limits.Conn = memberConnections
	claims.Limits.Subs = memberSubscriptions
	claims.Limits.Payload = memberPayload
	claims.Imports = jwt.Imports{
		imported(hub, jwt.Service, subject.Beat(account), subject.MemberBeat()),
		imported(hub, jwt.Service, subject.Up(account, ">"), subject.MemberUp(">")),
		imported(hub, jwt.Stream, subject.DownOf(account), subject.MemberDownAll()),
		imported(hub, jwt.Service, "$JS.API.CONSUMER.MSG.NEXT."+stream+"."+account, apiPrefix+".CONSUMER.MSG.NEXT."+stream+"."+account),
		imported(hub, jwt.Service, "$JS.API.CONSUMER.INFO."+stream+"."+account, apiPrefix+".CONSUMER.INFO."+stream+"."+account),
		imported(hub, jwt.Service, "$JS.ACK."+stream+"."+account+".>", ""),
	}
	claims.Imports.Add(k.tunnelImports(account)...)
	return claims
}

func imported(from string, kind jwt.ExportType, subj, local string) *jwt.Import {
	return &jwt.Import{
		Account: from, Type: kind, Subject: jwt.Subject(subj), LocalSubject: jwt.RenamingSubject(local),
	}
}

// userClaims are what a member's user may do inside its account.
func userClaims(account, userKey string, expires time.Time) *jwt.UserClaims {
	claims := jwt.NewUserClaims(userKey)
	claims.IssuerAccount = account
	claims.Expires = expires.Unix()
	stream := subject.WorkBucket(account)
	claims.Pub.Allow = jwt.StringList{subject.MemberUpAll(), apiPrefix + ".>", "$JS.ACK." + stream + "." + account + ".>"}
	claims.Sub.Allow = jwt.StringList{"_INBOX.>", subject.MemberDownAll()}
	return claims
}
