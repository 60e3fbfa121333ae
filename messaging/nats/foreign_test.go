package nats_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
)

// foreignOperator is who runs servers for others too.
type foreignOperator struct{ operator, system nkeys.KeyPair }

func newForeignOperator(t *testing.T) foreignOperator {
	t.Helper()
	operator, err := nkeys.CreateOperator()
	must(t, err)
	system, err := nkeys.CreateAccount()
	must(t, err)
	return foreignOperator{operator, system}
}

func publicKey(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	text, err := key.PublicKey()
	must(t, err)
	return text
}

// configuration is what it adds to the servers' when it lets the keys sign.
func (f foreignOperator) configuration(t *testing.T, signing ...string) string {
	t.Helper()
	system := publicKey(t, f.system)
	claims := jwt.NewOperatorClaims(publicKey(t, f.operator))
	claims.SystemAccount = system
	claims.SigningKeys.Add(signing...)
	operator, err := claims.Encode(f.operator)
	must(t, err)
	account, err := jwt.NewAccountClaims(system).Encode(f.operator)
	must(t, err)
	return fmt.Sprintf("\noperator: %s\nsystem_account: %s\nresolver_preload { %s: %s }\n", operator, system, system, account)
}

// credentials of a user of its system account.
func (f foreignOperator) credentials(t *testing.T) *nats.Credentials {
	t.Helper()
	key, seed, err := nats.NewUserKey()
	must(t, err)
	token, err := jwt.NewUserClaims(key).Encode(f.system)
	must(t, err)
	return &nats.Credentials{JWT: token, Seed: seed}
}

// nscLine is how the printed configuration tells which key has to be named.
var nscLine = regexp.MustCompile(`nsc edit operator --sk (O[A-Z2-7]+)`)

// TestForeignOperator: on servers of another operator a signing key and a user of the
// system account are enough; without the first, nothing is.
func TestForeignOperator(t *testing.T) {
	f := newForeignOperator(t)
	addresses := natstest.Addresses(t, 2)
	b := newBus(t, addresses...)
	config := b.config(t, nats.Site{URLs: b.options.URLs[:1], Foreign: true})
	named := nscLine.FindStringSubmatch(config)
	if named == nil || strings.Contains(config, "\noperator:") {
		t.Fatalf("the configuration does not say what the operator has to do:\n%s", config)
	}
	for i, signing := range [][]string{{named[1]}, nil} {
		natstest.Start(t, natstest.Change(t, config, b.files.Values(t, "nats-0", addresses[i]))+f.configuration(t, signing...))
	}
	urls := b.options.URLs
	b.options.System = f.credentials(t)

	b.options.URLs = urls[1:]
	if _, err := nats.OpenExternal(t.Context(), b.options); err == nil || !strings.Contains(err.Error(), "account HUB") {
		t.Errorf("servers whose operator does not name the key: %v", err)
	}
	b.options.URLs = urls[:1]
	e := b.open(t)
	said := strings.Join(b.apply(t, e), "\n")
	if !strings.Contains(said, "accounts HUB and GATEWAY given") || !strings.Contains(said, " made, 0 changed") {
		t.Errorf("said %s", said)
	}
	if said := strings.Join(b.apply(t, b.open(t)), "\n"); !strings.Contains(said, "accounts as before") || !strings.Contains(said, "streams: 0 made, 0 changed") {
		t.Errorf("said %s", said)
	}
	m := joined(t, member{bus: b, hub: dial(t, e, nats.HubRole), accounts: e.Accounts})
	m.speaks(t)
	m.works(t)
	m.revoked(t)
}
