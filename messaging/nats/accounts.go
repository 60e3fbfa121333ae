package nats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging/subject"
)

// UserLifetime is how long a member's credentials hold.
const UserLifetime = 365 * 24 * time.Hour

// Limits of one member's account.
const (
	memberConnections   = 8
	memberSubscriptions = 500
	memberPayload       = 4 << 20 // bytes
)

// Accounts keeps the keys of the bus in a directory, one file each with mode
// 0600, and tells a running server of every change. Safe for concurrent use.
type Accounts struct {
	dir      string
	operator nkeys.KeyPair
	system   nkeys.KeyPair
	hub      nkeys.KeyPair
	resolver *server.MemAccResolver

	mu      sync.Mutex
	members map[string]nkeys.KeyPair // account keys, by member
	server  *server.Server           // nil until one runs
}

// OpenAccounts reads the keys in dir, and makes those that are missing.
func OpenAccounts(dir string) (*Accounts, error) {
	a := &Accounts{dir: dir, resolver: &server.MemAccResolver{}, members: map[string]nkeys.KeyPair{}}
	if err := os.MkdirAll(a.memberDir(), 0o700); err != nil {
		return nil, fmt.Errorf("open bus keys: %w", err)
	}
	for _, k := range []struct {
		file string
		into *nkeys.KeyPair
		make func() (nkeys.KeyPair, error)
	}{
		{"operator.nk", &a.operator, nkeys.CreateOperator},
		{"system.nk", &a.system, nkeys.CreateAccount},
		{"hub.nk", &a.hub, nkeys.CreateAccount},
	} {
		key, err := loadKey(filepath.Join(dir, k.file), k.make)
		if err != nil {
			return nil, err
		}
		*k.into = key
	}
	if err := a.publishOwn(); err != nil {
		return nil, err
	}
	return a, a.loadMembers()
}

func (a *Accounts) memberDir() string { return filepath.Join(a.dir, "members") }

func (a *Accounts) memberFile(member string) string {
	return filepath.Join(a.memberDir(), subject.Token(member)+".nk")
}

// loadKey reads a seed, or makes a key and writes its seed.
func loadKey(path string, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(path)
	if err == nil {
		key, err := nkeys.FromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("read bus key %s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read bus key: %w", err)
	}
	key, err := create()
	if err != nil {
		return nil, fmt.Errorf("make bus key: %w", err)
	}
	if seed, err = key.Seed(); err != nil {
		return nil, fmt.Errorf("make bus key: %w", err)
	}
	return key, writeSynced(path, seed)
}

// writeSynced writes a small file so that it is whole or not there.
func writeSynced(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (a *Accounts) loadMembers() error {
	entries, err := os.ReadDir(a.memberDir())
	if err != nil {
		return fmt.Errorf("read bus keys: %w", err)
	}
	for _, e := range entries {
		member, err := subject.Untoken(trimSuffix(e.Name(), ".nk"))
		if err != nil {
			continue // not one of ours
		}
		key, err := loadKey(filepath.Join(a.memberDir(), e.Name()), nkeys.CreateAccount)
		if err != nil {
			return err
		}
		a.members[member] = key
		if err := a.publish(a.memberClaims(member, key)); err != nil {
			return err
		}
	}
	return nil
}

func trimSuffix(s, suffix string) string {
	if len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix {
		return s[:len(s)-len(suffix)]
	}
	return ""
}

// publish signs an account's claims and gives them to the resolver and to the
// running server, which applies them to live connections.
func (a *Accounts) publish(claims *jwt.AccountClaims) error {
	token, err := claims.Encode(a.operator)
	if err != nil {
		return fmt.Errorf("sign account %s: %w", claims.Name, err)
	}
	if err := a.resolver.Store(claims.Subject, token); err != nil {
		return fmt.Errorf("store account %s: %w", claims.Name, err)
	}
	if a.server == nil {
		return nil
	}
	account, err := a.server.LookupAccount(claims.Subject)
	if err != nil {
		return fmt.Errorf("look up account %s: %w", claims.Name, err)
	}
	decoded, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		return fmt.Errorf("sign account %s: %w", claims.Name, err)
	}
	a.server.UpdateAccountClaims(account, decoded)
	return nil
}

// publishOwn signs the system account and the account HUB.
func (a *Accounts) publishOwn() error {
	system := jwt.NewAccountClaims(public(a.system))
	system.Name = "SYS"
	if err := a.publish(system); err != nil {
		return err
	}
	hub := jwt.NewAccountClaims(public(a.hub))
	hub.Name = "HUB"
	hub.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	hub.Exports = exports()
	return a.publish(hub)
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

// apiPrefix is where a member finds its part of HUB's JetStream API; every
// account already imports the standard prefix for its own.
const apiPrefix = "HJS.API"

// memberClaims is a member's account: it imports its own part of HUB.
func (a *Accounts) memberClaims(member string, key nkeys.KeyPair) *jwt.AccountClaims {
	account, hub := public(key), public(a.hub)
	stream := subject.WorkBucket(account)
	claims := jwt.NewAccountClaims(account)
	claims.Name = member
	claims.Limits.Conn = memberConnections
	claims.Limits.Subs = memberSubscriptions
	claims.Limits.Payload = memberPayload
	claims.Imports = jwt.Imports{
		imported(hub, jwt.Service, subject.UpOf(account), subject.MemberUpAll()),
		imported(hub, jwt.Stream, subject.DownOf(account), subject.MemberDownAll()),
		imported(hub, jwt.Service, "$JS.API.CONSUMER.MSG.NEXT."+stream+"."+account, apiPrefix+".CONSUMER.MSG.NEXT."+stream+"."+account),
		imported(hub, jwt.Service, "$JS.API.CONSUMER.INFO."+stream+"."+account, apiPrefix+".CONSUMER.INFO."+stream+"."+account),
		imported(hub, jwt.Service, "$JS.ACK."+stream+"."+account+".>", ""),
	}
	return claims
}

func imported(from string, kind jwt.ExportType, subj, local string) *jwt.Import {
	return &jwt.Import{
		Account: from, Type: kind, Subject: jwt.Subject(subj), LocalSubject: jwt.RenamingSubject(local),
	}
}

// AddMember returns the public key of the member's account, which it makes and
// announces when there is none.
func (a *Accounts) AddMember(_ context.Context, member string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if key, ok := a.members[member]; ok {
		return public(key), nil
	}
	key, err := loadKey(a.memberFile(member), nkeys.CreateAccount)
	if err != nil {
		return "", err
	}
	if err := a.publish(a.memberClaims(member, key)); err != nil {
		return "", err
	}
	a.members[member] = key
	return public(key), nil
}

// SignUser signs a user of the account for the public user key.
func (a *Accounts) SignUser(account, userKey string) (string, time.Time, error) {
	if !nkeys.IsValidPublicUserKey(userKey) {
		return "", time.Time{}, fmt.Errorf("%q is not a public user key", userKey)
	}
	key, err := a.keyOf(account)
	if err != nil {
		return "", time.Time{}, err
	}
	expires := time.Now().Add(UserLifetime)
	claims := jwt.NewUserClaims(userKey)
	claims.Expires = expires.Unix()
	stream := subject.WorkBucket(account)
	claims.Pub.Allow = jwt.StringList{subject.MemberUpAll(), apiPrefix + ".>", "$JS.ACK." + stream + "." + account + ".>"}
	claims.Sub.Allow = jwt.StringList{"_INBOX.>", subject.MemberDownAll()}
	token, err := claims.Encode(key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign user of account %s: %w", account, err)
	}
	return token, expires, nil
}

func (a *Accounts) keyOf(account string) (nkeys.KeyPair, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range a.members {
		if public(key) == account {
			return key, nil
		}
	}
	return nil, fmt.Errorf("account %s belongs to no member", account)
}

// Revoke ends the member's account: every user of it is cut off at once, and a
// member of that name gets a new account.
func (a *Accounts) Revoke(_ context.Context, member string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, ok := a.members[member]
	if !ok {
		return nil
	}
	claims := a.memberClaims(member, key)
	claims.Revoke(jwt.All)
	if err := a.publish(claims); err != nil {
		return err
	}
	if err := os.Remove(a.memberFile(member)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("revoke %s: %w", member, err)
	}
	delete(a.members, member)
	return nil
}

// Role is a kind of user of the account HUB.
type Role string

// The roles.
const (
	HubRole     Role = "hub"     // everything
	GatewayRole Role = "gateway" // reads all buckets but tokens and leases, writes workloads, asks the hub
)

// Credentials makes a user of the account HUB with the rights of the role.
func (a *Accounts) Credentials(role Role) (Credentials, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return Credentials{}, fmt.Errorf("make credentials: %w", err)
	}
	claims := jwt.NewUserClaims(public(user))
	claims.Name = string(role)
	if role == GatewayRole {
		claims.Pub.Allow = gatewayMayPublish()
		claims.Sub.Allow = jwt.StringList{"_INBOX.>", subject.HubBeat()}
	}
	token, err := claims.Encode(a.hub)
	if err != nil {
		return Credentials{}, fmt.Errorf("sign credentials: %w", err)
	}
	seed, err := user.Seed()
	return Credentials{JWT: token, Seed: seed}, err
}

// gatewayMayPublish lists what a gateway may send: requests to the hub, its own
// beat, desired state (workloads and scores), and the reading part of the JetStream API for the buckets
// that it follows.
func gatewayMayPublish() jwt.StringList {
	allow := jwt.StringList{subject.Hub(">"), subject.GatewayBeat(), subject.RecordPrefix(subject.Workloads) + ">", subject.RecordPrefix(subject.Scores) + ">"}
	for _, bucket := range append(subject.Durable(), subject.Rebuilt()...) {
		if bucket == subject.Tokens || bucket == subject.Leases {
			continue
		}
		stream := streamName(bucket)
		allow.Add(
			"$JS.API.STREAM.INFO."+stream,
			"$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream, "$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.CONSUMER.CREATE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>",
		)
	}
	return allow
}

// public returns the public key of a key pair that was made or read here.
func public(key nkeys.KeyPair) string {
	p, err := key.PublicKey()
	if err != nil {
		panic(fmt.Sprintf("nats: key without a public part: %v", err)) // only after Wipe, which nobody calls
	}
	return p
}
