package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// takenAnnotation marks what Hansa manages and others made: it is released, not deleted.
// It is on the object, so that no crash between two writes forgets it.
const takenAnnotation = "hansa.io/taken"

// errRefused: this object cannot be landed as things are; the others can.
var errRefused = errors.New("refused")

// refusal is an error about one object, with the remedy in its text.
type refusal struct{ text string }

func (r refusal) Error() string        { return r.text }
func (r refusal) Is(target error) bool { return target == errRefused }

func refusef(format string, args ...any) error { return refusal{fmt.Sprintf(format, args...)} }

// refused reports an error that concerns one object alone.
func refused(err error) bool {
	return errors.Is(err, errRefused) || errors.Is(err, kube.ErrNoKind) || errors.Is(err, kube.ErrInvalid)
}

func isTaken(u *unstructured.Unstructured) bool { return u.GetAnnotations()[takenAnnotation] == "true" }

func markTaken(u *unstructured.Unstructured) {
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[takenAnnotation] = "true"
	u.SetAnnotations(annotations)
}

// permission is what may be done to an object that is there and that this order has not
// made.
type permission int

const (
	leaveIt permission = iota
	itIsOurs
	takeIt
)

// mayTake decides about an object that is there and was not made by this order. known is
// what the inventory has of it, if anything.
func (l *Lander) mayTake(ctx context.Context, w federation.Work, u *unstructured.Unstructured, known Item) (permission, error) {
	r := kube.RefOf(u)
	live, err := l.opts.Cluster.Get(ctx, r)
	switch {
	case errors.Is(err, kube.ErrNotFound):
		return leaveIt, fmt.Errorf("%s was there and went: trying again", r)
	case err != nil:
		return leaveIt, err
	case ours(live) && isTaken(live):
		return takeIt, checkOwner(live, w)
	case ours(live):
		if err = checkOwner(live, w); err != nil && r.Kind == definition {
			return leaveIt, l.mayShare(ctx, u, live, err)
		}
		return itIsOurs, err
	case known.UID != "" && live.GetUID() == known.UID: // somebody took the label off
		if known.Taken {
			return takeIt, nil
		}
		return itIsOurs, nil
	case r.Kind == "Namespace":
		return leaveIt, nil
	}
	return takeIt, l.mayTakeOthers(ctx, w, u, live)
}

// mayShare says why a definition that another workload has brought does not serve this one
// too: it comes along with every workload that it was applied with. Nil if it does.
func (l *Lander) mayShare(ctx context.Context, u, live *unstructured.Unstructured, owned error) error {
	would, err := l.opts.Cluster.Apply(ctx, u, true)
	if err != nil {
		return err
	}
	if fields := difference(live, would); len(fields) > 0 {
		return refusef("%v, and differs from that in %s", owned, fields[0].Path)
	}
	return nil
}

// mayTakeOthers says why an object that others made is not taken over; nil if it is.
func (l *Lander) mayTakeOthers(ctx context.Context, w federation.Work, u, live *unstructured.Unstructured) error {
	r := kube.RefOf(u)
	if w.Continuity == federation.AtMostOne && runs(r.Kind) && w.Landing.Takeover != "Never" {
		return refusef("%s exists here, was not made by Hansa, and %s runs at most once: delete it", r, w.Workload)
	}
	switch w.Landing.Takeover {
	case "Always":
		return nil
	case "IfNoDiff":
		would, err := l.opts.Cluster.Apply(ctx, u, true)
		if err != nil {
			return err
		}
		fields := difference(live, would)
		if len(fields) == 0 {
			return nil
		}
		return refusef("%s exists here, was not made by Hansa, and differs from %s in %s (wanted %s, found %s): make them equal, or set landing.takeover to Always",
			r, w.Workload, fields[0].Path, fields[0].Wanted, fields[0].Found)
	}
	return refusef("%s exists here and was not made by Hansa: delete it, or set landing.takeover of %s to IfNoDiff or Always", r, w.Workload)
}

// release takes Hansa's marks from an object, and its ownership of fields, and leaves it
// to others as it is. The marks go last, since they say that it is not released yet.
func (l *Lander) release(ctx context.Context, r kube.Ref) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"labels":      map[string]any{kube.ManagedLabel: nil},
		"annotations": map[string]any{workloadAnnotation: nil, epochAnnotation: nil, takenAnnotation: nil},
	}})
	if err != nil {
		return err
	}
	err = l.opts.Cluster.Disown(ctx, r)
	if err == nil {
		err = l.opts.Cluster.Merge(ctx, r, patch)
	}
	if errors.Is(err, kube.ErrNotFound) {
		return nil
	}
	return err
}

// recreate deletes an object of which a field cannot be changed, and makes it anew, if
// the work asks for that and Hansa has made it.
func (l *Lander) recreate(ctx context.Context, w federation.Work, u *unstructured.Unstructured, why error) (Item, error) {
	r := kube.RefOf(u)
	live, err := l.opts.Cluster.Get(ctx, r)
	if err != nil {
		return Item{}, err
	}
	switch {
	case isTaken(live) || !ours(live):
		return Item{}, refusef("%s, and it was not made by Hansa: change it by hand, or give the object another name", why)
	case w.Landing.Immutable != "Recreate":
		return Item{}, refusef("%s: set landing.immutable of %s to Recreate, or give the object another name", why, w.Workload)
	}
	l.opts.Logger.Info("recreating", "workload", w.Workload.String(), "object", r.String(), "reason", why)
	if err := l.opts.Cluster.Delete(ctx, r, live.GetUID(), metav1.DeletePropagationForeground); err != nil && !errors.Is(err, kube.ErrNotFound) {
		return Item{}, err
	}
	if err := l.gone(ctx, w, []kube.Ref{r}); err != nil {
		return Item{}, err
	}
	u.SetUID("")
	out, err := l.opts.Cluster.Create(ctx, u)
	if err != nil {
		return Item{}, err
	}
	return itemOf(out, true), nil
}
