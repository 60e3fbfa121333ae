package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/retry"
)

// Errors that package landing branches on.
var (
	// ErrNotFound: no such object.
	ErrNotFound = errors.New("not found")
	// ErrNoKind: the API server does not serve this kind (yet).
	ErrNoKind = errors.New("kind is not served by this cluster")
	// ErrExists: there is an object of that name.
	ErrExists = errors.New("exists")
	// ErrConflict: it is another object than the one that is meant.
	ErrConflict = errors.New("is another object by now")
	// ErrInvalid: the API server refuses the object as it is; trying again does
	// not help.
	ErrInvalid = errors.New("refused by the API server")
	// ErrImmutable: it would change a field that nobody can change. It is an
	// ErrInvalid too.
	ErrImmutable = errors.New("a field cannot be changed")
)

// Denied reports whether the API server refuses the agent itself what it asked for.
func Denied(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

// Object is any object of a cluster, as the API server wrote it.
type Object = unstructured.Unstructured

// Ref names one object.
type Ref struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// RefOf names an object that is at hand.
func RefOf(u *unstructured.Unstructured) Ref {
	return Ref{u.GetAPIVersion(), u.GetKind(), u.GetNamespace(), u.GetName()}
}

// String returns "Deployment shop/web".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func (r Ref) gvk() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
}

// Get reads an object, or returns ErrNotFound or ErrNoKind.
func (c *Client) Get(ctx context.Context, r Ref) (*unstructured.Unstructured, error) {
	at, err := c.resource(r)
	if err != nil {
		return nil, err
	}
	u, err := at.Get(ctx, r.Name, metav1.GetOptions{})
	return u, explain("read", r, err)
}

// Create makes an object, or returns ErrExists.
func (c *Client) Create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	r := RefOf(u)
	at, err := c.resource(r)
	if err != nil {
		return nil, err
	}
	out, err := at.Create(ctx, u, metav1.CreateOptions{FieldManager: FieldManager})
	if err == nil && r.Kind == "CustomResourceDefinition" {
		c.served.renew()
	}
	return out, explain("create", r, err)
}

// Adopt gives the fields that an object got when Hansa created it to Hansa's
// server-side apply, so that applying it without a field removes that.
func (c *Client) Adopt(ctx context.Context, r Ref) error {
	return c.patchFields(ctx, r, "take the fields of", func(live *unstructured.Unstructured) ([]byte, error) {
		return csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(FieldManager), FieldManager)
	})
}

// Disown gives up the fields of an object that Hansa manages: they stay as they are, and
// nobody's.
func (c *Client) Disown(ctx context.Context, r Ref) error {
	return c.patchFields(ctx, r, "give up the fields of", disowned)
}

// patchFields changes who manages which fields of an object by the JSON patch that change
// makes for it as it is; nil changes nothing.
func (c *Client) patchFields(ctx context.Context, r Ref, what string, change func(live *unstructured.Unstructured) ([]byte, error)) error {
	at, err := c.resource(r)
	if err != nil {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := at.Get(ctx, r.Name, metav1.GetOptions{})
		if err != nil {
			return explain("read", r, err)
		}
		patch, err := change(live)
		if err != nil || patch == nil {
			return err
		}
		if _, err = at.Patch(ctx, r.Name, types.JSONPatchType, patch, metav1.PatchOptions{}); apierrors.IsConflict(err) {
			return err
		}
		return explain(what, r, err)
	})
}

// Remove deletes an object if it is there.
func (c *Client) Remove(ctx context.Context, r Ref) error {
	live, err := c.Get(ctx, r)
	if err == nil {
		err = c.Delete(ctx, r, live.GetUID(), metav1.DeletePropagationBackground)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoKind) {
		return nil
	}
	return err
}

// Merge changes an object by a merge patch (RFC 7386).
func (c *Client) Merge(ctx context.Context, r Ref, patch []byte) error {
	at, err := c.resource(r)
	if err != nil {
		return err
	}
	_, err = at.Patch(ctx, r.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	return explain("change", r, err)
}

// Apply writes an object by server-side apply; fields that others own are taken.
// With dryRun nothing is written and the outcome is returned.
func (c *Client) Apply(ctx context.Context, u *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	r := RefOf(u)
	at, err := c.resource(r)
	if err != nil {
		return nil, err
	}
	options := metav1.ApplyOptions{FieldManager: FieldManager, Force: true}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	out, err := at.Apply(ctx, r.Name, u, options)
	if err == nil && r.Kind == "CustomResourceDefinition" {
		c.served.renew()
	}
	return out, explain("apply", r, err)
}

// ApplyJSON is Apply of an object in JSON.
func (c *Client) ApplyJSON(ctx context.Context, raw []byte) error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	_, err := c.Apply(ctx, u, false)
	return err
}

// Delete asks for the deletion of exactly the object with that uid; the object
// goes once its dependents are gone (Foreground), or leaves them (Orphan).
func (c *Client) Delete(ctx context.Context, r Ref, uid types.UID, policy metav1.DeletionPropagation) error {
	at, err := c.resource(r)
	if err != nil {
		return err
	}
	err = at.Delete(ctx, r.Name, metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &uid}})
	return explain("delete", r, err)
}

// List returns the objects of a kind in a namespace that carry the label.
func (c *Client) List(ctx context.Context, r Ref, label string) ([]unstructured.Unstructured, error) {
	at, err := c.resource(r)
	if err != nil {
		return nil, err
	}
	list, err := at.List(ctx, metav1.ListOptions{LabelSelector: label})
	if err != nil {
		return nil, explain("list", r, err)
	}
	return list.Items, nil
}

// resource finds where objects of the kind are. A kind that is not known is
// looked up again, since its CRD may have come meanwhile.
func (c *Client) resource(r Ref) (dynamic.ResourceInterface, error) {
	at, err := c.served.find(r)
	if err != nil {
		return nil, err
	}
	if at.namespaced {
		return c.dynamic.Resource(at.GroupVersionResource).Namespace(r.Namespace), nil
	}
	return c.dynamic.Resource(at.GroupVersionResource), nil
}

// explain wraps an answer of the API server with what was asked.
func explain(verb string, r Ref, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s %s: %w", verb, r, ErrNotFound)
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s %s: %w", verb, r, ErrExists)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s %s: %w: %w", verb, r, ErrConflict, err)
	case apierrors.IsInvalid(err) && changesImmutable(err):
		return fmt.Errorf("%s %s: %w: %w: %w", verb, r, ErrInvalid, ErrImmutable, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), apierrors.IsRequestEntityTooLargeError(err), mistyped(err):
		return fmt.Errorf("%s %s: %w: %w", verb, r, ErrInvalid, err)
	}
	return fmt.Errorf("%s %s: %w", verb, r, err)
}

// mistyped reports that server-side apply cannot read the object, such as one with the same
// variable twice, which a creation takes. The API server says so in words alone, as an
// error of its own.
func mistyped(err error) bool {
	return strings.HasPrefix(err.Error(), "failed to create typed patch object")
}

// immutableWords are how validations of Kubernetes say that a field cannot be changed;
// there is no reason of its own for it.
var immutableWords = []string{"immutable", "may not change once set", "cannot change roleRef", "updates to statefulset spec", "may not be changed"}

func changesImmutable(err error) bool {
	return slices.ContainsFunc(immutableWords, func(words string) bool { return strings.Contains(err.Error(), words) })
}
