package access

import (
	"context"

	"github.com/hansa-io/hansa/federation"
)

// Credentials are where the bus is, and who the agent is there.
type Credentials struct {
	BusURLs []string `json:"busURLs"`
	BusCA   []byte   `json:"busCA"` // PEM
	Account string   `json:"account"`
	JWT     string   `json:"jwt"`
	Seed    []byte   `json:"seed"` // of the user's key; secret
}

// State is what an agent must not forget.
type State struct {
	Credentials
	// Next is the key of the user that is being asked for; nil while none is.
	Next *KeyPair `json:"next,omitempty"`
}

// KeyPair is the key of a user.
type KeyPair struct {
	Public string `json:"public"`
	Seed   []byte `json:"seed"` // secret
}

// Keys is what users are made of.
type Keys struct {
	// New makes the key pair of a user.
	New func() (public string, seed []byte, err error)
	// Sign signs a text with a seed.
	Sign func(seed, text []byte) ([]byte, error)
	// Read reads a user JWT.
	Read func(jwt string) (federation.BusUser, error)
}

// Whole reports whether nothing is missing.
func (k Keys) Whole() bool { return k.New != nil && k.Sign != nil && k.Read != nil }

// Link is one connection to the bus. It asks for the credentials at each attempt to
// connect.
type Link interface {
	// Switch returns when the connection is up with the present credentials.
	Switch(ctx context.Context) error
	// Refresh lets later attempts go to the present servers.
	Refresh() error
	// Trusts reports why these CAs (PEM) did not sign the server's certificate.
	Trusts(ca []byte) error
	// Server is the host:port that it is connected to; empty while it is not.
	Server() string
	// Move connects to another server that can be reached, if there is one.
	Move(ctx context.Context) error
}

// Hub is what a Keeper asks of the hub. An error that is a messaging.RemoteError is the
// hub's; any other means that it was not reached.
type Hub struct {
	// Bus and Gateway ask for a user, by one way or the other.
	Bus, Gateway func(context.Context, federation.Rotation) (federation.RotationReply, error)
	// Rotated says which user the agent is connected with.
	Rotated func(context.Context, federation.Rotated) error
}
