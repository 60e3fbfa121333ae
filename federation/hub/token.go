package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bounds of a join token's lifetime.
const (
	minTokenTTL = time.Minute
	maxTokenTTL = 7 * 24 * time.Hour
)

// maxMemberName keeps node names and label values derived from it valid.
const maxMemberName = 50

var memberName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// tokens makes and consumes one-time join tokens. Only a hash of the secret is
// stored, so what can be read from the bus or a backup joins nobody.
type tokens struct {
	bucket messaging.Bucket
}

// create makes a token that is bound to one member's name.
func (t tokens) create(ctx context.Context, r federation.TokenRequest, now time.Time) (federation.TokenReply, error) {
	if err := checkNewName(r.Member); err != nil {
		return federation.TokenReply{}, err
	}
	if r.TTL < minTokenTTL || r.TTL > maxTokenTTL {
		return federation.TokenReply{}, messaging.Errorf(messaging.Invalid,
			"token for %s: a lifetime of %v is not between %v and %v", r.Member, r.TTL, minTokenTTL, maxTokenTTL)
	}
	id, secret := draw(6), draw(24)
	hash := sha256.Sum256([]byte(secret))
	token := federation.Token{ID: id, Member: r.Member, SecretHash: hash[:], ExpiresAt: now.Add(r.TTL)}
	if _, err := t.bucket.Put(ctx, subject.Token(id), federationv1.EncodeToken(token), 0); err != nil {
		return federation.TokenReply{}, fmt.Errorf("store the token for %s: %w", r.Member, err)
	}
	return federation.TokenReply{ID: id, Secret: secret, ExpiresAt: token.ExpiresAt}, nil
}

// list returns all tokens by member and expiry, after it has revoked one if it is asked
// to. A token that nobody can use any more is forgotten after as long as one can live.
func (t tokens) list(ctx context.Context, r federation.TokensRequest, now time.Time) (federation.TokensReply, error) {
	if r.Revoke != "" {
		err := t.bucket.Delete(ctx, subject.Token(r.Revoke), messaging.AnyRevision)
		if errors.Is(err, messaging.ErrNotFound) {
			return federation.TokensReply{}, messaging.Errorf(messaging.NotFound, "token %s does not exist: see \"hansa token list\"", r.Revoke)
		}
		if err != nil {
			return federation.TokensReply{}, fmt.Errorf("revoke token %s: %w", r.Revoke, err)
		}
	}
	entries, err := snapshot(ctx, t.bucket, "")
	if err != nil {
		return federation.TokensReply{}, fmt.Errorf("list the tokens: %w", err)
	}
	var out federation.TokensReply
	for _, e := range entries {
		token, err := federationv1.DecodeToken(e.Value)
		if err != nil {
			return federation.TokensReply{}, err
		}
		if now.Sub(token.ExpiresAt) > maxTokenTTL {
			if err := forget(ctx, t.bucket, e); err != nil {
				return federation.TokensReply{}, err
			}
			continue
		}
		token.SecretHash = nil
		out.Tokens = append(out.Tokens, token)
	}
	slices.SortFunc(out.Tokens, func(a, b federation.Token) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// draw returns n random bytes as text.
func draw(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

func checkMemberName(name string) error {
	if !memberName.MatchString(name) || len(name) > maxMemberName {
		return messaging.Errorf(messaging.Invalid,
			"member name %q: want lower-case letters, digits and \"-\", at most %d characters", name, maxMemberName)
	}
	return nil
}

// checkNewName refuses, beside what is no name, that of the hubs: in what observers say of
// each other, and in certificates.
func checkNewName(name string) error {
	if name == authority.Hub {
		return messaging.Errorf(messaging.Invalid, "member name %q: the hubs have it; choose another", name)
	}
	return checkMemberName(name)
}

// check returns the token of the request and its revision when it may be used.
func (t tokens) check(ctx context.Context, r federation.JoinRequest, now time.Time) (federation.Token, federation.Revision, error) {
	refuse := func(why string) (federation.Token, federation.Revision, error) {
		return federation.Token{}, 0, messaging.Errorf(messaging.Denied,
			"join of %s: the token %s: make a new one with \"hansa token create --member %s\"", r.Member, why, r.Member)
	}
	entry, err := t.bucket.Get(ctx, subject.Token(r.TokenID))
	if errors.Is(err, messaging.ErrNotFound) {
		return refuse("is not known")
	}
	if err != nil {
		return federation.Token{}, 0, fmt.Errorf("read the token of %s: %w", r.Member, err)
	}
	token, err := federationv1.DecodeToken(entry.Value)
	if err != nil {
		return federation.Token{}, 0, err
	}
	hash := sha256.Sum256([]byte(r.TokenSecret))
	switch {
	case subtle.ConstantTimeCompare(hash[:], token.SecretHash) != 1:
		return refuse("is not known")
	case token.Used:
		return refuse("was used already")
	case now.After(token.ExpiresAt):
		return refuse("expired at " + token.ExpiresAt.UTC().Format(time.RFC3339))
	case token.Member != r.Member:
		return refuse("is for member " + token.Member)
	}
	return token, entry.Revision, nil
}

// consume marks the token as used; the second of two that try loses.
func (t tokens) consume(ctx context.Context, token federation.Token, revision federation.Revision) error {
	token.Used = true
	_, err := t.bucket.Put(ctx, subject.Token(token.ID), federationv1.EncodeToken(token), revision)
	if errors.Is(err, messaging.ErrConflict) {
		return messaging.Errorf(messaging.Denied,
			"join of %s: the token was used already: make a new one with \"hansa token create --member %s\"", token.Member, token.Member)
	}
	if err != nil {
		return fmt.Errorf("consume the token of %s: %w", token.Member, err)
	}
	return nil
}
