package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// memberAPI asks the Kubernetes APIs of members, through a gateway.
type memberAPI struct {
	gateway string // host:port
	token   string
	http    *http.Client
}

// errNoObject: the member has no such object.
var errNoObject = errors.New("not found")

// memberAPI finds the first of the context's gateways that answers.
func (a *app) memberAPI(ctx context.Context) (*memberAPI, error) {
	c, err := a.context()
	if err != nil {
		return nil, err
	}
	roots, err := authorities(c.CAFile)
	if err != nil {
		return nil, err
	}
	m := &memberAPI{http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true, ResponseHeaderTimeout: requestTimeout,
	}}}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token for the gateway: %w", err)
		}
		m.token = strings.TrimSpace(string(token))
	}
	for _, m.gateway = range c.gateways() {
		if err = m.healthy(ctx); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("gateway %s does not answer: is the federation up? try \"hansa status\": %w", c.Gateway, err)
}

// healthLimit is how long one gateway of several is waited for.
const healthLimit = 3 * time.Second

func (m *memberAPI) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	body, err := m.get(ctx, "/healthz")
	if err != nil {
		return err
	}
	return body.Close()
}

// open asks for a path of a member's API; the caller closes the answer.
func (m *memberAPI) open(ctx context.Context, member, path string, query url.Values) (io.ReadCloser, error) {
	return m.get(ctx, "/members/"+url.PathEscape(member)+path+"?"+query.Encode())
}

// read decodes an object of a member.
func (m *memberAPI) read(ctx context.Context, member, path string, query url.Values, into any) error {
	body, err := m.open(ctx, member, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

func (m *memberAPI) get(ctx context.Context, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+m.gateway+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if m.token != "" {
		r.Header.Set("Authorization", "Bearer "+m.token)
	}
	answer, err := m.http.Do(r)
	if err != nil {
		return nil, errors.Unwrap(err) // without the address, which says nothing
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var said struct{ Message string }
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // what came of it
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = answer.Status
	}
	if answer.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %s", errNoObject, said.Message)
	}
	return nil, errors.New(said.Message)
}
