package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/federation/probe"
)

// Refusal is what the other agent said instead of an answer. Every other error means that
// it was not reached, or is not who it should be.
type Refusal struct {
	Member string
	Reason string
}

// Error says who refuses, and why.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the agent of %s refuses: %s", r.Member, r.Reason)
}

// Client asks other agents. It keeps nothing between questions.
type Client struct{ identity Identity }

// NewClient returns a client that shows the identity.
func NewClient(identity Identity) *Client { return &Client{identity: identity} }

// Ask puts a question of at most MaxBody bytes to the agent of exactly that member, and
// returns its answer. It ends with ctx, and after some seconds at the latest.
func (c *Client) Ask(ctx context.Context, at federation.Peer, body []byte) ([]byte, error) {
	answer, err := c.ask(ctx, at, body)
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		return nil, fmt.Errorf("ask the agent of %s at %s: %w", at.Member, at.At, err)
	}
	return answer, err
}

func (c *Client) ask(ctx context.Context, at federation.Peer, body []byte) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, fmt.Errorf("a question of %d bytes: at most %d are sent", len(body), MaxBody)
	}
	secret, err := authority.Client(c.identity, at.Member)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit+answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+at.At+attestPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{Control: probe.Outside}).DialContext, TLSClientConfig: secret,
		DisableKeepAlives: true, MaxResponseHeaderBytes: 2 * maxHeader,
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return read(at.Member, response)
}

func read(member string, response *http.Response) ([]byte, error) {
	switch response.StatusCode {
	case http.StatusOK:
		answer, err := io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
		if err == nil && len(answer) > MaxBody {
			err = fmt.Errorf("its answer is longer than %d bytes", MaxBody)
		}
		if err != nil {
			return nil, err
		}
		return answer, nil
	case http.StatusNotFound:
		return nil, &Refusal{Member: member, Reason: "it attests nothing"}
	}
	reason, err := io.ReadAll(io.LimitReader(response.Body, maxReason))
	if err != nil {
		return nil, err
	}
	return nil, &Refusal{Member: member, Reason: strings.TrimSpace(string(reason))}
}
