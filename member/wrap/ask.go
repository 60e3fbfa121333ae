package wrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hansa-io/hansa/member/admit"
)

const (
	askTimeout = time.Second
	maxAnswer  = 64 << 10 // bytes
)

// Asker asks an agent for how long a workload may run.
type Asker struct {
	url    string
	client *http.Client
}

// NewAsker asks at url, whose certificate has to be of the authority ca, in PEM.
func NewAsker(url string, ca []byte) (*Asker, error) {
	roots := x509.NewCertPool()
	switch {
	case url == "":
		return nil, fmt.Errorf("%s is not set: the pod template needs the annotation %s: \"true\", and the member's agent an admission address", admit.GuardURL, admit.Guard)
	case !roots.AppendCertsFromPEM(ca):
		return nil, fmt.Errorf("%s holds no certificate", admit.GuardCA)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}
	return &Asker{url: url, client: &http.Client{Transport: transport, Timeout: askTimeout}}, nil
}

// Left asks once. It returns for how long, from before it asked, the workload may run,
// and if that is no time at all, why.
func (a *Asker) Left(ctx context.Context) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the agent answered %s", answer.Status)
	}
	var l admit.Lease
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&l); err != nil {
		return 0, fmt.Errorf("read the agent's answer: %w", err)
	}
	if l.LeftMs <= 0 {
		return 0, &Denied{Why: l.Why}
	}
	return time.Duration(l.LeftMs) * time.Millisecond, nil
}

// Denied is the agent's answer that the workload may not run.
type Denied struct{ Why string }

// Error says why.
func (d *Denied) Error() string { return d.Why }

func denied(err error) bool {
	var d *Denied
	return errors.As(err, &d)
}
