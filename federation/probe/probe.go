// Package probe looks at a member off the bus: one GET of its API server's
// /readyz, anonymous, over TLS with the CA that the member pinned when it joined,
// one of its agent's port, where both sides show certificates of the federation,
// and one look at its ingress, where its users reach it.
// It tells a dead agent from a dead cluster, and both from a broken bus. The hub probes, and agents probe
// each other on the hub's request, so that a verdict rests on two vantage points.
//
// Do is safe for concurrent use and keeps no connection open between
// probes: a kept connection would say something about itself, not about the
// member.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Timeout is how long a probe waits when its request does not say.
const Timeout = 400 * time.Millisecond

// Do looks at the member once, at API server, agent and ingress side by side. Of the API
// server it says Green for an answer of 200, Red for any other answer, no answer in time or
// no connection, and Absent when the request names no address; of the agent and the ingress
// what Agent and Ingress say. Details are one short phrase for people.
func Do(ctx context.Context, r federation.ProbeRequest, own Identity) federation.ProbeReply {
	ingresses, agents := make(chan Sight, 1), make(chan Sight, 1)
	go func() { ingresses <- Ingress(ctx, r.IngressAt, r.Timeout) }()
	go func() { agents <- Agent(ctx, r, own) }()
	reply := look(ctx, r)
	ingress, agent := <-ingresses, <-agents
	reply.Member, reply.Survey = r.Member, r.Survey
	reply.Ingress, reply.IngressDetail = ingress.Signal, ingress.Detail
	reply.Agent, reply.AgentDetail = agent.Signal, agent.Detail
	return reply
}

func look(ctx context.Context, r federation.ProbeRequest) federation.ProbeReply {
	if r.URL == "" {
		return federation.ProbeReply{Signal: federation.Absent, Detail: "no address to probe"}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.CA) {
		return federation.ProbeReply{Signal: federation.Absent, Detail: "no CA to check the API server with"}
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begin := time.Now()
	dial := dialer{connect: (&net.Dialer{}).DialContext, timeout: timeout}
	status, err := get(ctx, strings.TrimSuffix(r.URL, "/")+"/readyz", &http.Transport{
		DialContext:       dial.dial,
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	})
	way := time.Duration(dial.way.Load())
	switch {
	case err != nil:
		return federation.ProbeReply{Signal: federation.Red, Detail: phrase(err, timeout), RoundTrip: way}
	case status != http.StatusOK:
		return federation.ProbeReply{Signal: federation.Red, Detail: fmt.Sprintf("/readyz answered %d", status), RoundTrip: way}
	}
	return federation.ProbeReply{
		Signal: federation.Green, Detail: fmt.Sprintf("/readyz answered in %d ms", time.Since(begin).Milliseconds()), RoundTrip: way,
	}
}

func get(ctx context.Context, url string, transport *http.Transport) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return response.StatusCode, err
}

// phrase names the cause without addresses, which the reader knows.
func phrase(err error, timeout time.Duration) string {
	var certificate *tls.CertificateVerificationError
	var said *net.OpError
	var late net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return fmt.Sprintf("no answer in %d ms", timeout.Milliseconds())
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, errLink):
		return errLink.Error()
	case errors.As(err, &certificate):
		return "somebody else's certificate"
	case errors.As(err, &said) && said.Op == "remote error": // so crypto/tls tells an alert
		return "it does not take the certificate shown to it"
	}
	return err.Error()
}
