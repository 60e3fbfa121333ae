package nats

import (
	"testing"
	"time"
)

// TestDisconnects: hubs hear of each connection that a member loses, and of nobody else's,
// whichever server it was connected to.
func TestDisconnects(t *testing.T) { everywhere(t, disconnects) }

func disconnects(t *testing.T, w world) {
	s := besiege(t, w)
	heard := make(chan string, 100)
	must(t, s.register.Disconnects(t.Context(), func(account string) { heard <- account }))
	credentials, _ := s.credentials(t, "frankfurt")
	limit := time.After(20 * time.Second)
	for { // until all servers know that somebody listens
		c, err := s.dialAs(credentials, "frankfurt", s.own)
		must(t, err)
		c.Close()
		select {
		case account := <-heard:
			if account == s.victims {
				t.Errorf("the connections of %s are there", account)
			}
			if account == s.own {
				return
			}
		case <-time.After(500 * time.Millisecond):
		case <-limit:
			t.Fatal("nobody told that the connection has ended")
		}
	}
}
