package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
)

// Identity tells the certificate with which one looks at agents, and the authority to
// trust; both are zero while there are none.
type Identity = func() (tls.Certificate, *x509.CertPool)

// AlivePath is where an agent says that it lives, and what a federation.Alive has.
const AlivePath = "/v1/alive"

// largestAlive bounds what an agent may say of itself, in bytes.
const largestAlive = 4 << 10

// Agent looks at the port of a member's agent once. Green is the word of exactly that
// agent that it lives; Red is no answer, or that of somebody else. It is Absent when the
// request names no address, and while there is no certificate to show.
func Agent(ctx context.Context, r federation.ProbeRequest, own Identity) Sight {
	if r.AgentAt == "" {
		return Sight{Detail: "no address to look at"}
	}
	secret, err := authority.Client(own, r.Member)
	if err != nil {
		return Sight{Detail: err.Error()}
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := dialer{connect: (&net.Dialer{Control: Outside}).DialContext, timeout: timeout}
	alive, err := askAlive(ctx, r.AgentAt, &http.Transport{DialContext: dial.dial, TLSClientConfig: secret, DisableKeepAlives: true})
	switch {
	case err != nil:
		return Sight{Signal: federation.Red, Detail: phrase(err, timeout)}
	case alive.HubAgeMillis == nil:
		return Sight{Signal: federation.Green, Detail: "it has heard no hub yet"}
	}
	age := time.Duration(*alive.HubAgeMillis) * time.Millisecond
	return Sight{Signal: federation.Green, Detail: fmt.Sprintf("it last heard a hub %.1f s ago", age.Seconds())}
}

func askAlive(ctx context.Context, at string, transport *http.Transport) (alive federation.Alive, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at+AlivePath, nil)
	if err != nil {
		return alive, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return alive, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return alive, fmt.Errorf("answered %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, largestAlive))
	if err == nil {
		err = json.Unmarshal(text, &alive)
	}
	return alive, err
}
