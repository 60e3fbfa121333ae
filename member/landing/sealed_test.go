package landing

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// nothing is a Cluster of which nothing may be asked: every call panics.
type nothing struct{ Cluster }

// TestUnreadable: of a work that cannot be opened nothing lands, and its status says why
// until another order comes.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan Order, 1)
		l := New(Options{
			Cluster: nothing{}, Changed: func(federation.Key) {}, Done: func(o Order) { done <- o }, Logger: slog.New(slog.DiscardHandler),
			Open: func(w federation.Work) (federation.Work, error) {
				if w.Epoch == 1 {
					return federation.Work{Objects: w.Objects}, errors.New("v1/Secret shop/db cannot be opened: no key")
				}
				return federation.Work{}, errors.New("v1/Secret shop/db cannot be opened: altered")
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		for epoch, message := range map[federation.Epoch]string{
			1: "v1/Secret shop/db cannot be opened: no key", 2: "v1/Secret shop/db cannot be opened: altered",
		} {
			l.Give(Order{Do: Land, Work: federation.Work{Workload: web, Epoch: epoch, Replicas: 2, Objects: []federation.Object{{Kind: "Secret"}}}})
			<-time.After(time.Minute) // many attempts
			synctest.Wait()
			s, ok := l.Status(web)
			if !ok || s.State != federation.WorkFailed || s.Message != message || s.Epoch != epoch || s.Replicas != 2 {
				t.Errorf("status %+v", s)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(done) > 0 {
			t.Error("it is said to have landed")
		}
	})
}
