package federation

import (
	"fmt"
	"time"
)

// BusUser is one user of a member's account on the bus: one life of the credentials of
// its agent.
type BusUser struct {
	Key       string    `json:"key"` // public user key
	IssuedAt  time.Time `json:"issuedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// LateAt is from when on so little of the user's life is left that its agent should have
// another: a quarter. It is zero when the user never ends.
func (u BusUser) LateAt() time.Time {
	if u.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return u.ExpiresAt.Add(-u.ExpiresAt.Sub(u.IssuedAt) / 4)
}

// Rotation is an agent's request for a user with a new key, over the bus, or by a
// gateway when the bus does not let it in any more.
type Rotation struct {
	Member      string
	Incarnation Incarnation
	Sequence    uint64 // of the agent's messages about its user, within the incarnation
	ClusterID   string
	Key         string    // of the present user
	NewKey      string    // of the user that is to be signed
	At          time.Time // when the agent signed this
	Signature   []byte    // of Text, by Key
}

// Text is what the present user's key signs. It is longer than any challenge of a
// server of the bus, which the same key signs.
func (r Rotation) Text() []byte {
	return fmt.Appendf(nil, "hansa: rotate the user of a member\nmember %s\ncluster %s\nkey %s\nnew key %s\nat %d\n",
		r.Member, r.ClusterID, r.Key, r.NewKey, r.At.UnixMilli())
}

// RotationReply has the user that was signed.
type RotationReply struct{ UserJWT string }

// Rotated says which user an agent is connected with.
type Rotated struct {
	Member      string
	Incarnation Incarnation
	Sequence    uint64 // as that of a Rotation
	User        BusUser
}

// RotationOrder tells an agent to replace its user now.
type RotationOrder struct {
	Member string
	Key    string // the user that is to be replaced
}
