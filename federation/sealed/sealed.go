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
	inside := federation.Secrets{
		Member: w.Member, Workload: w.Workload, Epoch: w.Epoch, WorkloadRevision: w.WorkloadRevision,
	}
	objects := make([]federation.Object, len(w.Objects))
	for i, o := range w.Objects {
		if o.IsSecret() {
			inside.Objects = append(inside.Objects, o)
			o.Raw = nil
		}
		objects[i] = o
	}
	if len(inside.Objects) == 0 {
		return w, nil
	}
	box, err := seal(federationv1.EncodeSecrets(inside), recipient)
	if err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be sealed for %s: %w", named(inside.Objects), w.Member, err)
	}
	w.Objects, w.Sealed = objects, box
	return w, nil
}

// Open returns the work as the member lands it. The error is one line for people: which
// objects, and why. The work given is not changed.
func Open(w federation.Work, member string, open Opener) (federation.Work, error) {
	closed := closedOf(w)
	switch {
	case len(closed) == 0 && w.Sealed.Box == nil:
		return w, nil
	case len(closed) == 0:
		return federation.Work{}, errors.New("something is sealed in the work and no Secret of it is missing: the store was tampered with")
	case w.Sealed.Box == nil:
		return federation.Work{}, fmt.Errorf("%s cannot be opened: the ciphertext is missing: the store was tampered with", named(closed))
	}
	plain, err := open(w.Sealed)
	if err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be opened: %w", named(closed), err)
	}
	inside, err := federationv1.DecodeSecrets(plain)
	if err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be opened: %w", named(closed), err)
	}
	if err := belongs(inside, w, member); err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be opened: %w: the store was tampered with", named(closed), err)
	}
	if err := same(inside.Objects, closed); err != nil {
		return federation.Work{}, fmt.Errorf("%s cannot be opened: %w: the store was tampered with", named(closed), err)
	}
	w.Objects, w.Sealed = filled(w.Objects, inside.Objects), federation.Sealed{}
	return w, nil
}

// closedOf lists the Secrets of which the work has only the name.
func closedOf(w federation.Work) []federation.Object {
	var out []federation.Object
	for _, o := range w.Objects {
		if closed(o) {
			out = append(out, o)
		}
	}
	return out
}

func closed(o federation.Object) bool { return o.IsSecret() && len(o.Raw) == 0 }

// belongs refuses what was sealed for another work.
func belongs(inside federation.Secrets, w federation.Work, member string) error {
	switch {
	case inside.Member != member:
		return fmt.Errorf("what is sealed is of member %s", inside.Member)
	case inside.Workload != w.Workload:
		return fmt.Errorf("what is sealed is of workload %s", inside.Workload)
	case inside.Epoch != w.Epoch || inside.WorkloadRevision != w.WorkloadRevision:
		return fmt.Errorf("what is sealed is of epoch %d and revision %d, the work of %d and %d",
			inside.Epoch, inside.WorkloadRevision, w.Epoch, w.WorkloadRevision)
	}
	return nil
}

// same refuses other objects than those that the work names.
func same(inside, closed []federation.Object) error {
	if len(inside) != len(closed) {
		return fmt.Errorf("%d objects are sealed, the work names %d", len(inside), len(closed))
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
