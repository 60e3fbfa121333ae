package sealed

import (
	"errors"
	"fmt"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
)

// Sealer seals a plaintext to a public curve key.
type Sealer func(plain []byte, recipient string) (federation.Sealed, error)

// Opener returns the plaintext of what was sealed to a key of this side.
type Opener func(federation.Sealed) ([]byte, error)

// Seal returns the work as it may lie in the store: with its Secrets sealed to the
// recipient's key. A work without Secrets is returned as it is. The work given is not
// changed.
func Seal(w federation.Work, recipient string, seal Sealer) (federation.Work, error) {
	left, secrets := parted(w.Objects)
	if len(secrets) == 0 {
		return w, nil
	}
	box, err := seal(federationv1.EncodeSecrets(federation.Secrets{
		Member: w.Member, Workload: w.Workload, Epoch: w.Epoch, WorkloadRevision: w.WorkloadRevision, Objects: secrets,
	}), recipient)
	if err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be sealed for %s: %w", named(secrets), w.Member, err)
	}
	w.Objects, w.Sealed = left, box
	return w, nil
}

// Open returns the work as the member lands it. The error is one line for people: which
// objects, and why. The work given is not changed.
func Open(w federation.Work, member string, open Opener) (federation.Work, error) {
	objects, err := opened(w.Objects, w.Sealed, open, func(inside federation.Secrets) error {
		switch {
		case inside.Member != member:
			return fmt.Errorf("what is sealed is of member %q", inside.Member)
		case inside.Workload != w.Workload:
			return fmt.Errorf("what is sealed is of workload %s", inside.Workload)
		case inside.Epoch != w.Epoch || inside.WorkloadRevision != w.WorkloadRevision:
			return fmt.Errorf("what is sealed is of epoch %d and revision %d, the work of %d and %d",
				inside.Epoch, inside.WorkloadRevision, w.Epoch, w.WorkloadRevision)
		}
		return nil
	})
	if err != nil {
		return federation.Work{}, err
	}
	w.Objects, w.Sealed = objects, federation.Sealed{}
	return w, nil
}

// parted takes the Secrets out of the objects, and leaves their names.
func parted(objects []federation.Object) (left, secrets []federation.Object) {
	left = make([]federation.Object, len(objects))
	for i, o := range objects {
		if o.IsSecret() {
			secrets = append(secrets, o)
			o.Raw = nil
		}
		left[i] = o
	}
	return left, secrets
}

// opened puts what is sealed back into the objects, when check accepts it.
func opened(objects []federation.Object, box federation.Sealed, open Opener, check func(federation.Secrets) error) ([]federation.Object, error) {
	closed := closedOf(objects)
	switch {
	case len(closed) == 0 && box.Box == nil:
		return objects, nil
	case len(closed) == 0:
		return nil, errors.New("something is sealed beside the objects, and none of them is missing: the store was tampered with")
	case box.Box == nil:
		return nil, fmt.Errorf("%s cannot be opened: the ciphertext is missing: the store was tampered with", named(closed))
	}
	plain, err := open(box)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", named(closed), err)
	}
	inside, err := federationv1.DecodeSecrets(plain)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", named(closed), err)
	}
	if err = check(inside); err == nil {
		err = same(inside.Objects, closed)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w: the store was tampered with", named(closed), err)
	}
	return filled(objects, inside.Objects), nil
}

// closedOf lists the Secrets of which only the name is there.
func closedOf(objects []federation.Object) []federation.Object {
	var out []federation.Object
	for _, o := range objects {
		if closed(o) {
			out = append(out, o)
		}
	}
	return out
}

func closed(o federation.Object) bool { return o.IsSecret() && len(o.Raw) == 0 }

// same refuses other objects than those that are named.
func same(inside, closed []federation.Object) error {
	if len(inside) != len(closed) {
		return fmt.Errorf("%d objects are sealed, and %d are named", len(inside), len(closed))
	}
	for i, o := range inside {
		if o.ID() != closed[i].ID() || len(o.Raw) == 0 {
			return fmt.Errorf("%s is sealed in place of %s", o.ID(), closed[i].ID())
		}
	}
	return nil
}

func filled(objects, inside []federation.Object) []federation.Object {
	out := make([]federation.Object, len(objects))
	for i, o := range objects {
		if closed(o) {
			o, inside = inside[0], inside[1:]
		}
		out[i] = o
	}
	return out
}

// named tells the objects in one short phrase.
func named(objects []federation.Object) string {
	if len(objects) == 1 {
		return objects[0].ID()
	}
	return fmt.Sprintf("%s and %d more", objects[0].ID(), len(objects)-1)
}
