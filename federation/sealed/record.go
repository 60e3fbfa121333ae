package sealed

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
)

// SealRecord returns the workload as it may lie in the store: with its Secrets sealed to
// the hubs, and a digest of them. A workload without Secrets is returned as it is. The
// workload given is not changed.
func SealRecord(w federation.Workload, keys federation.SealKeys, seal Sealer) (federation.Workload, error) {
	left, secrets := parted(w.Objects)
	if len(secrets) == 0 {
		return w, nil
	}
	if len(keys.Digest) < sha256.Size {
		return federation.Workload{}, fmt.Errorf("%s cannot be sealed: the key of the digests has %d bytes, want %d", named(secrets), len(keys.Digest), sha256.Size)
	}
	plain := federationv1.EncodeSecrets(federation.Secrets{Workload: w.Key, Objects: secrets})
	box, err := seal(plain, keys.Key)
	if err != nil {
		return federation.Workload{}, fmt.Errorf("%s cannot be sealed: %w", named(secrets), err)
	}
	mac := hmac.New(sha256.New, keys.Digest)
	mac.Write(plain)
	w.Objects, w.Sealed, w.Digest = left, box, mac.Sum(nil)
	return w, nil
}

// OpenRecord returns the workload as the user applied it. The error is one line for
// people. The workload given is not changed.
func OpenRecord(w federation.Workload, open Opener) (federation.Workload, error) {
	objects, err := opened(w.Objects, w.Sealed, open, func(inside federation.Secrets) error {
		switch {
		case inside.Member != "":
			return fmt.Errorf("what is sealed is a work of member %s", inside.Member)
		case inside.Workload != w.Key:
			return fmt.Errorf("what is sealed is of workload %s", inside.Workload)
		}
		return nil
	})
	if err != nil {
		return federation.Workload{}, err
	}
	w.Objects, w.Sealed, w.Digest = objects, federation.Sealed{}, nil
	return w, nil
}
