package seal

import (
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
)

// NewKey makes the curve key pair of a receiver; the seed never leaves it.
func NewKey() (publicKey string, seed []byte, err error) {
	key, err := nkeys.CreateCurveKeys()
	if err != nil {
		return "", nil, fmt.Errorf("make curve key: %w", err)
	}
	if publicKey, err = key.PublicKey(); err != nil {
		return "", nil, fmt.Errorf("make curve key: %w", err)
	}
	seed, err = key.Seed()
	return publicKey, seed, err
}

// KeyOf is the curve key pair of a raw private key of 32 bytes.
func KeyOf(raw []byte) (publicKey string, seed []byte, err error) {
	if seed, err = nkeys.EncodeSeed(nkeys.PrefixByteCurve, raw); err != nil {
		return "", nil, fmt.Errorf("make curve key: %w", err)
	}
	key, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return "", nil, fmt.Errorf("make curve key: %w", err)
	}
	publicKey, err = key.PublicKey()
	return publicKey, seed, err
}

// Seal makes what only the holder of the recipient's seed can open. It is another one
// each time.
func Seal(plain []byte, recipient string) (federation.Sealed, error) {
	if err := checkKey(recipient); err != nil {
		return federation.Sealed{}, fmt.Errorf("seal: %w", err)
	}
	once, err := nkeys.CreateCurveKeys()
	if err != nil {
		return federation.Sealed{}, fmt.Errorf("seal: %w", err)
	}
	defer once.Wipe()
	sender, err := once.PublicKey()
	if err != nil {
		return federation.Sealed{}, fmt.Errorf("seal: %w", err)
	}
	box, err := once.Seal(plain, recipient)
	if err != nil {
		return federation.Sealed{}, fmt.Errorf("seal to %s: %w", recipient, err)
	}
	return federation.Sealed{Recipient: recipient, Sender: sender, Box: box}, nil
}

// errAltered: the box was not sealed to this key by that sender, or not so.
var errAltered = errors.New("the ciphertext was altered, or sealed to another key than it says")

// Open returns the plaintext of what was sealed to the key of the seed.
func Open(s federation.Sealed, seed []byte) ([]byte, error) {
	if err := checkKey(s.Sender); err != nil {
		return nil, fmt.Errorf("open: sender: %w", err)
	}
	key, err := nkeys.FromCurveSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("open: this side's seed: %w", err)
	}
	defer key.Wipe()
	plain, err := key.Open(s.Box, s.Sender)
	if err != nil {
		return nil, errAltered
	}
	return plain, nil
}

// checkKey refuses what is no public curve key; nkeys itself does not survive one that
// is too long.
func checkKey(public string) error {
	if len(public) != keyLength || !nkeys.IsValidPublicCurveKey(public) {
		return fmt.Errorf("%q is not a public curve key", public[:min(len(public), keyLength)])
	}
	return nil
}

// keyLength of an encoded public key: 32 bytes, prefix and checksum in base 32.
const keyLength = 56
