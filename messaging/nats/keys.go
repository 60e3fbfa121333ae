package nats

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/nats/seal"
)

// Keys are what signs on the bus of one federation. Every hub of it has the same; who
// has them can make any account and any user, so they never leave the hubs. Keys of
// members are not among them: agents make their own.
type Keys struct {
	operator nkeys.KeyPair // signs accounts
	system   nkeys.KeyPair // the system account
	hub      nkeys.KeyPair // the account HUB, and its users
	signer   nkeys.KeyPair // users of members' accounts
	gateway  nkeys.KeyPair // the account GATEWAY, and its users; derived
}

// KeyDir is where a hub that keeps its data in dir has its keys, unless it is told
// another place.
func KeyDir(dir string) string { return filepath.Join(dir, "keys") }

// keyFiles names each key's file, and how the key is made.
func (k *Keys) keyFiles() []keyFile {
	return []keyFile{
		{"operator.nk", &k.operator, nkeys.CreateOperator},
		{"system.nk", &k.system, nkeys.CreateAccount},
		{"hub.nk", &k.hub, nkeys.CreateAccount},
		{"signer.nk", &k.signer, nkeys.CreateAccount},
	}
}

type keyFile struct {
	name string
	into *nkeys.KeyPair
	make func() (nkeys.KeyPair, error)
}

// MakeKeys reads the keys in dir, one file of mode 0600 each, and makes those that
// are missing.
func MakeKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open bus keys: %w", err)
	}
	var k Keys
	for _, f := range k.keyFiles() {
		path := filepath.Join(dir, f.name)
		key, err := loadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = makeKey(path, f.make)
		}
		if err != nil {
			return nil, err
		}
		*f.into = key
	}
	return k.complete()
}

// ReadKeys reads the keys in dir and makes none.
func ReadKeys(dir string) (*Keys, error) {
	var k Keys
	for _, f := range k.keyFiles() {
		key, err := loadKey(filepath.Join(dir, f.name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: the hubs of a cluster have the same keys: copy %s from another hub, or make the first with \"hansa hub keys --config FILE\"", err, dir)
		}
		if err != nil {
			return nil, err
		}
		*f.into = key
	}
	return k.complete()
}

// complete adds the keys that have no file: hubs of earlier versions, other hubs of the
// cluster and backups have them without being given anything. To derive one from the
// operator's gives nobody more than he had: its seed is 256 random bits, HMAC-SHA-256
// with a label of its own does not lead back to it, and who has it can sign any account
// anyhow.
func (k Keys) complete() (*Keys, error) {
	seed, err := k.derive("hansa account GATEWAY")
	if err != nil {
		return nil, err
	}
	if k.gateway, err = nkeys.FromRawSeed(nkeys.PrefixByteAccount, seed); err != nil {
		return nil, fmt.Errorf("derive the key of the account GATEWAY: %w", err)
	}
	return &k, nil
}

func loadKey(path string) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read bus key: %w", err)
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read bus key %s: %w", path, err)
	}
	return key, nil
}

func makeKey(path string, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	key, err := create()
	if err != nil {
		return nil, fmt.Errorf("make bus key: %w", err)
	}
	seed, err := key.Seed()
	if err != nil {
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

// RecordKeys are what the Secrets in the records of workloads are sealed with: what
// gateways are told, and the seed that opens, which stays with the hubs.
func (k *Keys) RecordKeys() (keys federation.SealKeys, seed []byte, err error) {
	raw, err := k.derive("hansa records")
	if err != nil {
		return keys, nil, err
	}
	if keys.Key, seed, err = seal.KeyOf(raw); err != nil {
		return keys, nil, err
	}
	keys.Digest, err = k.derive("hansa digests")
	return keys, seed, err
}

// AuthoritySeed is the seed of the key with which the hubs certify agents and each other
// for what is said beside the bus (package federation/authority).
func (k *Keys) AuthoritySeed() ([]byte, error) { return k.derive("hansa certificate authority") }

// derive makes a key for one purpose that only who has the keys can make.
func (k *Keys) derive(purpose string) ([]byte, error) {
	seed, err := k.operator.Seed()
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(purpose))
	return mac.Sum(nil), nil
}

// Federation identifies the federation of these keys: the public key of the account in
// which its records are.
func (k *Keys) Federation() string { return public(k.hub) }

// routePassword is what the hubs' servers show each other: only who has the keys
// knows it.
func (k *Keys) routePassword() (string, error) {
	key, err := k.derive("hansa routes")
	return hex.EncodeToString(key), err
}

// public returns the public key of a key pair that was made or read here.
func public(key nkeys.KeyPair) string {
	p, err := key.PublicKey()
	if err != nil {
		panic(fmt.Sprintf("nats: key without a public part: %v", err)) // only after Wipe, which nobody calls
	}
	return p
}
