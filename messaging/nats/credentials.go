package nats

import (
	"fmt"
	"os"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
)

// Credentials identify a user: its JWT and the seed of its key.
type Credentials struct {
	JWT  string
	Seed []byte
}

// NewUserKey makes the key pair of an agent's user; the seed never leaves the agent.
func NewUserKey() (publicKey string, seed []byte, err error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return "", nil, fmt.Errorf("make user key: %w", err)
	}
	seed, err = key.Seed()
	return public(key), seed, err
}

// Encode returns the credentials in the format of a NATS credentials file.
func (c Credentials) Encode() ([]byte, error) {
	text, err := jwt.FormatUserConfig(c.JWT, c.Seed)
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	return text, nil
}

// ReadCredentials reads a NATS credentials file.
func ReadCredentials(path string) (Credentials, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	token, err := jwt.ParseDecoratedJWT(text)
	if err == nil {
		_, err = jwt.DecodeUserClaims(token)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %s has no JWT of a user: make a new file with \"hansa hub credentials\"", path)
	}
	key, err := jwt.ParseDecoratedUserNKey(text)
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %s has no key of a user: make a new file with \"hansa hub credentials\"", path)
	}
	seed, err := key.Seed()
	return Credentials{JWT: token, Seed: seed}, err
}

// ReadUser returns the public key that a user JWT is for, and its life. ExpiresAt is
// zero when it has no end.
func ReadUser(token string) (federation.BusUser, error) {
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return federation.BusUser{}, fmt.Errorf("read the JWT of a user: %w", err)
	}
	u := federation.BusUser{Key: claims.Subject, IssuedAt: time.Unix(claims.IssuedAt, 0)}
	if claims.Expires != 0 {
		u.ExpiresAt = time.Unix(claims.Expires, 0)
	}
	return u, nil
}
