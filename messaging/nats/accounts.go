package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
)

// UserLifetime is how long a member's credentials hold, unless ServerOptions say.
const UserLifetime = 30 * 24 * time.Hour

// Accounts makes and ends the accounts of members. It keeps nothing: a member's
// account is in the member's record, and the servers hold what it may do, each in a
// directory of its own that they keep alike. Safe for concurrent use.
type Accounts struct {
	keys     *Keys
	system   *nats.Conn
	lifetime time.Duration // of the users that it signs
	mu       sync.Mutex    // no two changes of an account at once
}

// NewAccounts speaks to the servers over a connection of the system account.
func NewAccounts(keys *Keys, system *Conn) *Accounts {
	return &Accounts{keys: keys, system: system.nc, lifetime: UserLifetime}
}

// AddMember gives the servers the account of a member. A record without an account means
// a new one; the account's public key is returned. Servers that have lost what they knew
// of an account are told to refuse the users from before the one that the record names.
func (a *Accounts) AddMember(ctx context.Context, m federation.MemberSpec) (string, error) {
	member, account := m.Name, m.Account
	if account == "" {
		key, err := nkeys.CreateAccount()
		if err != nil {
			return "", fmt.Errorf("make the account of %s: %w", member, err)
		}
		account = public(key)
		return account, a.push(ctx, a.keys.memberClaims(member, account))
	}
	claims := a.keys.memberClaims(member, account)
	if !m.User.IssuedAt.IsZero() {
		claims.RevokeAt(jwt.All, m.User.IssuedAt.Add(-time.Second))
	}
	_, err := a.bring(ctx, claims)
	return account, err
}

// bring gives the servers an account unless they hold it as it should be; what they hold
// as revoked in it stays so, and nothing else is.
func (a *Accounts) bring(ctx context.Context, claims *jwt.AccountClaims) (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held, err := a.lookUp(ctx, claims.Subject)
	if err != nil {
		return false, err
	}
	if held != nil {
		claims.Revocations = held.Revocations
		keepPermits(held.Imports, claims.Imports)
	}
	same, err := a.same(held, claims)
	if same || err != nil {
		return false, err
	}
	return true, a.push(ctx, claims)
}

// keepPermits leaves the permits of imports as they are held: they do not end, and each
// new one differs from the last in nothing but its date.
func keepPermits(held, wanted jwt.Imports) {
	for _, w := range wanted {
		for _, h := range held {
			if w.Token != "" && h.Token != "" && h.Account == w.Account && h.Subject == w.Subject && h.Type == w.Type {
				w.Token = h.Token
			}
		}
	}
}

// same reports whether the servers hold these claims already; who signed them and when
// does not count.
func (a *Accounts) same(held, claims *jwt.AccountClaims) (bool, error) {
	if held == nil {
		return false, nil
	}
	token, err := claims.Encode(a.keys.operator)
	if err != nil {
		return false, fmt.Errorf("sign account %s: %w", claims.Name, err)
	}
	wanted, err := jwt.DecodeAccountClaims(token) // as it comes back from its encoded form
	if err != nil {
		return false, fmt.Errorf("sign account %s: %w", claims.Name, err)
	}
	return held.Issuer == wanted.Issuer && held.Name == wanted.Name && reflect.DeepEqual(held.Account, wanted.Account), nil
}

// SignUser signs a user of the member's account for the public user key.
func (a *Accounts) SignUser(account, userKey string) (string, time.Time, error) {
	if !nkeys.IsValidPublicUserKey(userKey) {
		return "", time.Time{}, fmt.Errorf("%q is not a public user key", userKey)
	}
	expires := time.Now().Add(a.lifetime)
	token, err := userClaims(account, userKey, expires).Encode(a.keys.signer)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign user of account %s: %w", account, err)
	}
	return token, expires, nil
}

// revokedName is what an account is called that was revoked.
const revokedName = "revoked"

// Revoke ends a member's account for ever: every user of it is cut off at once.
func (a *Accounts) Revoke(ctx context.Context, account string) error {
	claims := jwt.NewAccountClaims(account)
	claims.Name = revokedName
	claims.Limits.Conn = 0
	claims.Revoke(jwt.All)
	return a.push(ctx, claims)
}

// Suspend cuts a member's connections off, and takes no new ones until AddMember is
// called for it.
func (a *Accounts) Suspend(ctx context.Context, member, account string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	claims := a.keys.memberClaims(member, account)
	held, err := a.lookUp(ctx, account)
	if err != nil {
		return err
	}
	if held != nil {
		claims.Revocations = held.Revocations
	}
	claims.Limits.Conn = 0
	return a.push(ctx, claims)
}

// RevokeUser ends one user of a member's account, the rest of which goes on. Users that
// have expired since they were revoked need not be remembered.
func (a *Accounts) RevokeUser(ctx context.Context, account, userKey string) error {
	if !nkeys.IsValidPublicUserKey(userKey) {
		return fmt.Errorf("revoke a user: %q is not a public user key", userKey)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	held, err := a.lookUp(ctx, account)
	if err != nil {
		return err
	}
	if held == nil {
		return fmt.Errorf("revoke a user of account %s: no server holds the account", account)
	}
	old := time.Now().Add(-max(a.lifetime, oldLifetime)).Unix()
	maps.DeleteFunc(held.Revocations, func(_ string, at int64) bool { return at < old })
	held.Revoke(userKey)
	return a.push(ctx, held)
}

// oldLifetime is how long the users of earlier versions of this program hold.
const oldLifetime = 365 * 24 * time.Hour

// CheckSignature checks that the key of a user signed the text.
func (a *Accounts) CheckSignature(userKey string, text, signature []byte) error {
	if !nkeys.IsValidPublicUserKey(userKey) {
		return fmt.Errorf("%q is not a public user key", userKey)
	}
	key, err := nkeys.FromPublicKey(userKey)
	if err == nil {
		err = key.Verify(text, signature)
	}
	if err != nil {
		return fmt.Errorf("the signature is not of the key %s", userKey)
	}
	return nil
}

// accountLimit bounds one request to the servers.
const accountLimit = 5 * time.Second

// push signs claims and gives them to the servers. Each keeps them on disk, applies
// them to live connections, and passes them on to those that were away.
func (a *Accounts) push(ctx context.Context, claims *jwt.AccountClaims) error {
	token, err := claims.Encode(a.keys.operator)
	if err != nil {
		return fmt.Errorf("sign account %s: %w", claims.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, accountLimit)
	defer cancel()
	reply, err := a.system.RequestWithContext(ctx, "$SYS.REQ.CLAIMS.UPDATE", []byte(token))
	if err != nil {
		return wrap(err, "give account %s to the bus", claims.Name)
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fmt.Errorf("give account %s to the bus: %w", claims.Name, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("give account %s to the bus: %s", claims.Name, answer.Error.Description)
	}
	return nil
}

// lookUp returns what a server holds of an account, nil when it holds nothing.
func (a *Accounts) lookUp(ctx context.Context, account string) (*jwt.AccountClaims, error) {
	ctx, cancel := context.WithTimeout(ctx, accountLimit)
	defer cancel()
	reply, err := a.system.RequestWithContext(ctx, "$SYS.REQ.ACCOUNT."+account+".CLAIMS.LOOKUP", nil)
	if err != nil {
		return nil, wrap(err, "look up account %s", account)
	}
	if len(reply.Data) == 0 {
		return nil, nil
	}
	claims, err := jwt.DecodeAccountClaims(string(reply.Data))
	if err != nil {
		return nil, fmt.Errorf("look up account %s: %w", account, err)
	}
	return claims, nil
}

// Credentials makes a user with the rights of the role; of a gateway, one of its own.
// They end after ttl; never when that is 0.
func (k *Keys) Credentials(role Role, ttl time.Duration) (Credentials, error) {
	return k.credentials(role, "", ttl)
}
