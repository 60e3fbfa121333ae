package landing

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
)

// meddled is a cluster in which somebody else acts between two writes.
type meddled struct {
	*apiServer
	after func(*unstructured.Unstructured) // a creation
}

func (m meddled) Create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	out, err := m.apiServer.Create(ctx, u)
	if err == nil {
		m.after(out)
	}
	return out, err
}

// TestDeletedWhileLanding: what somebody deletes while the rest of its work is landed is
// brought back, also when drift is looked for in the very moment in which the landing is
// told to be over, since nothing may change ever after.
func TestDeletedWhileLanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		meddles := true
		var l *Lander
		look := func(k federation.Key) { l.Correct(k, time.Now(), false) }
		m := meddled{s, func(u *unstructured.Unstructured) {
			if u.GetKind() == "Deployment" && meddles {
				meddles = false
				s.edit("ConfigMap", nil)
				look(web)
			}
		}}
		l = New(Options{Cluster: m, Views: s, Done: func(Order) {}, Changed: look, Logger: slog.New(slog.DiscardHandler)})
		if err := l.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		l.Give(shop(1))
		<-time.After(time.Minute) // of the bubble: nothing goes on any more
		if status, _ := l.Status(web); meddles || status.State == federation.WorkFailed {
			t.Errorf("it is left deleted: %s %s", status.State, status.Message)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
