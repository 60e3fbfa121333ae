package landing

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestScalersShare: those who ask while an answer is under way share the next one, and
// nobody gets one that began before he asked.
func TestScalersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked sync.WaitGroup
		lists := 0
		s := scalers{spawn: asked.Go, next: map[string]*scalersAnswer{}, ask: func(_ context.Context, namespace string) (map[string]string, error) {
			lists++
			mine := fmt.Sprint(namespace, " ", lists)
			<-time.After(time.Second)
			return map[string]string{"list": mine}, nil
		}}
		got := make([]string, 100)
		for n := range got {
			asked.Go(func() {
				targets, err := s.of(t.Context(), "shop")
				if err != nil {
					t.Error(err)
				}
				got[n] = targets["list"]
			})
			if n == 0 {
				synctest.Wait() // the first is alone
			}
		}
		asked.Wait()
		for n, list := range got {
			if want := fmt.Sprint("shop ", min(n, 1)+1); list != want {
				t.Errorf("%d got list %q, want %q", n, list, want)
			}
		}
		if _, err := s.of(t.Context(), "shop"); err != nil || lists != 3 {
			t.Errorf("%d lists were read, %v; want 3: nothing is kept", lists, err)
		}
		asked.Wait()
	})
}
