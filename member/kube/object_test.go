package kube

import (
	"errors"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestExplain: what trying again does not help is told from what it may help.
func TestExplain(t *testing.T) {
	own := func(text string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: text}}
	}
	for _, c := range []struct {
		err     error
		invalid bool
	}{
		{own(`failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="web"].env: duplicate entries for key [name="A"]`), true},
		{own("etcdserver: request timed out"), false},
		{apierrors.NewBadRequest("unknown field"), true},
		{apierrors.NewTooManyRequestsError("later"), false},
	} {
		if got := errors.Is(explain("apply", Ref{Kind: "Deployment", Namespace: "shop", Name: "web"}, c.err), ErrInvalid); got != c.invalid {
			t.Errorf("%v: invalid %v, want %v", c.err, got, c.invalid)
		}
	}
}
