package nats

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestFloods: what one member sends too much of is refused, and the others do not
// notice.
func TestFloods(t *testing.T) { everywhere(t, floods) }

func floods(t *testing.T, w world) {
	s := besiege(t, w)
	answering(t, s.hub, subject.Up("*", subject.UpHello), func(messaging.Message) ([]byte, error) { return nil, nil })
	credentials, _ := s.credentials(t, "frankfurt")

	refused := make(chan error, 64)
	flooder, err := nats.Connect(s.urls[0], nats.Secure(clientTLS(t, s.ca)), nats.UserJWTAndSeed(credentials.JWT, string(credentials.Seed)),
		nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case refused <- err:
			default:
			}
		}))
	must(t, err)
	defer flooder.Close()
	t.Run("subscriptions", func(t *testing.T) {
		for i := range memberSubscriptions + 50 {
			_, err := flooder.Subscribe(fmt.Sprintf("_INBOX.%d", i), func(*nats.Msg) {})
			must(t, err)
		}
		_ = flooder.Flush()
		select {
		case err := <-refused:
			if !strings.Contains(err.Error(), "subscriptions") {
				t.Errorf("refused with %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("any number of subscriptions is taken")
		}
	})
	t.Run("payload", func(t *testing.T) {
		if err := flooder.Publish(subject.MemberBeat(), make([]byte, memberPayload+1)); err == nil {
			for wait := time.Now().Add(5 * time.Second); flooder.IsConnected() && time.Now().Before(wait); {
				_ = flooder.FlushTimeout(time.Second)
			}
			if flooder.IsConnected() {
				t.Error("a message above the account's limit is taken")
			}
		}
	})
	t.Run("connections", func(t *testing.T) {
		var open []*Conn
		defer func() {
			for _, c := range open {
				c.Close()
			}
		}()
		for range memberConnections + 1 {
			c, err := s.dialAs(credentials, "frankfurt", s.own)
			if err != nil {
				return
			}
			open = append(open, c)
		}
		t.Errorf("%d connections are taken", len(open))
	})
	if _, err := asked(t, s.victim, nil); err != nil {
		t.Errorf("the victim is not answered any more: %v", err)
	}
}

func clientTLS(t *testing.T, ca []byte) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no CA")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}

// TestForgedCredentials: nobody gets in without the federation's signature.
func TestForgedCredentials(t *testing.T) { everywhere(t, forgedCredentials) }

func forgedCredentials(t *testing.T, w world) {
	s := besiege(t, w)
	credentials, account := s.credentials(t, "frankfurt")
	other, _ := s.credentials(t, "osaka")
	for name, c := range map[string]Credentials{
		"another's seed":   {JWT: credentials.JWT, Seed: other.Seed},
		"own signature":    selfSigned(t, account),
		"foreign operator": open(t).foreign(t),
		"nothing":          {},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.dialAs(c, "frankfurt", account)
			if err == nil {
				got.Close()
				t.Fatal("it gets in")
			}
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "dial bus") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("wrong CA", func(t *testing.T) {
		_, err := Dial(DialOptions{URLs: []string{s.urls[0]}, CA: open(t).ca, Credentials: credentials, Name: "x", Account: account})
		if err == nil || !strings.Contains(err.Error(), "the given CA did not sign the bus's certificate") {
			t.Errorf("got %v", err)
		}
	})
}

// foreign are credentials of another federation.
func (w world) foreign(t *testing.T) Credentials {
	c, _ := w.credentials(t, "frankfurt")
	return c
}

// selfSigned is a user that claims to be of the account and signed itself.
func selfSigned(t *testing.T, account string) Credentials {
	t.Helper()
	pub, seed, err := NewUserKey()
	must(t, err)
	forger, err := nkeys.CreateAccount()
	must(t, err)
	claims := jwt.NewUserClaims(pub)
	claims.IssuerAccount = account
	token, err := claims.Encode(forger)
	must(t, err)
	return Credentials{JWT: token, Seed: seed}
}

// TestRevoke: a member that is revoked is cut off at once and for ever, and nobody
// else is.
func TestRevoke(t *testing.T) { everywhere(t, revoke) }

func revoke(t *testing.T, w world) {
	s := besiege(t, w)
	credentials, account := s.credentials(t, "frankfurt")
	cut := make(chan struct{}, 1)
	s.attacker.SetDisconnectErrHandler(func(*nats.Conn, error) {
		select {
		case cut <- struct{}{}:
		default:
		}
	})
	must(t, s.register.Revoke(t.Context(), s.own))
	select {
	case <-cut:
	case <-time.After(10 * time.Second):
		t.Fatal("the live connection stays")
	}
	if c, err := s.dialAs(credentials, "frankfurt", account); err == nil {
		c.Close()
		t.Error("it gets in again")
	}
	if !s.victim.Connected() {
		t.Error("the victim is cut off as well")
	}
	delete(s.accounts, "frankfurt") // its record is gone
	if _, again := s.credentials(t, "frankfurt"); again == account {
		t.Error("a new member of the name has the old account")
	}
}
