// Package admit refuses pods that must not start: those of at-most-one workloads
// without a lease. The member's own API server asks it before it stores a pod, so
// that neither a controller nor a person can start one while the agent has no right
// to it. When nobody answers, the pod is refused: a dead agent starts nothing.
//
// What it cannot do: end a pod that runs already. Containers that a kubelet starts
// again inside a running pod are not asked about either. For those the same server
// tells a pod's own guard (package wrap) how long its lease lasts.
//
// A Server is safe for concurrent use.
package admit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// What landing writes on the pods of at-most-one workloads.
const (
	// Label has the value "true"; pods without it are not asked about.
	Label = "hansa.io/at-most-one"
	// Annotation names the workload: "shop/web".
	Annotation = "hansa.io/workload"
)

// What landing gives to the containers of a pod whose template has the annotation Guard
// with the value "true".
const (
	Guard       = "hansa.io/guard"
	GuardURL    = "HANSA_GUARD_URL" // where the lease is asked for
	GuardCA     = "HANSA_GUARD_CA"  // PEM
	leases      = "/leases/"
	identityTTL = 30 * 24 * time.Hour // that a kept certificate must be good for still
)

// ConfigurationName is that of the ValidatingWebhookConfiguration.
const ConfigurationName = "hansa-at-most-one"

const (
	path          = "/pods"
	serviceDomain = ".svc"
	maxReview     = 4 << 20 // bytes; a pod has at most 1.5 MB
	askLimit      = 2       // seconds that the API server waits for an answer
	validity      = 10 * 365 * 24 * time.Hour
	slowReader    = 5 * time.Second
)

// Options of a Server.
type Options struct {
	// Listen is host:port; with port 0 any free one.
	Listen string
	// URL under which the API server reaches it, without a path; empty means Listen. The
	// host NAME.NAMESPACE.svc is a Service: the API server finds it by that, not by DNS.
	URL string
	// Identity is the certificate and key, PEM, of an earlier life of the server; it is
	// used again if it is good for the URL, so that pods that know it need not change.
	Identity []byte
	// Left says for how long the workload may run here, and if not at all, why.
	Left func(k federation.Key, now time.Time) (left time.Duration, why string)
	Log  *slog.Logger
}

// Server answers one API server's questions about pods.
type Server struct {
	opts     Options
	listener net.Listener
	ca       []byte // PEM
	identity []byte // PEM, with the key
	base     *url.URL
}

// New takes the port, and makes a certificate unless it was given a good one.
func New(opts Options) (*Server, error) {
	if opts.Left == nil || opts.Log == nil {
		return nil, errors.New("new admission server: Left and Log must be set")
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for admission reviews: %w", err)
	}
	s := &Server{opts: opts, listener: listener}
	base := opts.URL
	if base == "" {
		base = "https://" + listener.Addr().String()
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		listener.Close()
		return nil, fmt.Errorf("admission URL %q: want https://HOST[:PORT]", base)
	}
	if host := u.Hostname(); strings.HasSuffix(host, serviceDomain) && strings.Count(host, ".") != 2 {
		listener.Close()
		return nil, fmt.Errorf("admission URL %q: want https://NAME.NAMESPACE%s[:PORT] for a Service", base, serviceDomain)
	}
	s.base, s.identity = u, opts.Identity
	certificate, err := known(opts.Identity, u.Hostname())
	if err != nil {
		opts.Log.Debug("the admission server has no certificate to go on with", "reason", err)
		if certificate, s.identity, err = selfSigned(u.Hostname()); err != nil {
			listener.Close()
			return nil, fmt.Errorf("make the admission server's certificate: %w", err)
		}
	}
	s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	s.listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	return s, nil
}

// Run answers until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, s.review)
	mux.HandleFunc("GET "+leases+"{namespace}/{name}", s.lease)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: slowReader, ReadTimeout: slowReader, ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer admission reviews: %w", err)
	}
	return nil
}

// Close gives the port back; for a server that never ran.
func (s *Server) Close() { _ = s.listener.Close() }

// Identity is what the next life of the server goes on with, as PEM. It holds a
// private key.
func (s *Server) Identity() []byte { return s.identity }

// GuardEnv is what the containers of the workload's pods need to ask for its lease.
func (s *Server) GuardEnv(k federation.Key) map[string]string {
	return map[string]string{GuardURL: s.base.JoinPath(leases, k.Namespace, k.Name).String(), GuardCA: string(s.ca)}
}

// Lease answers a pod that asks how long it may run.
type Lease struct {
	// LeftMs is for how many milliseconds from the question on; 0: it may not.
	LeftMs int64  `json:"leftMs"`
	Why    string `json:"why,omitempty"` // it may not
}

func (s *Server) lease(w http.ResponseWriter, r *http.Request) {
	left, why := s.opts.Left(federation.Key{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}, time.Now())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Lease{LeftMs: left.Milliseconds(), Why: why}) // a cut answer counts as none
}

// Configuration is the ValidatingWebhookConfiguration, in JSON, that makes the API
// server ask.
func (s *Server) Configuration() ([]byte, error) {
	return json.Marshal(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
		"metadata": map[string]any{"name": ConfigurationName},
		"webhooks": []any{map[string]any{
			"name":                    "at-most-one.hansa.io",
			"admissionReviewVersions": []string{"v1"},
			"sideEffects":             "None",
			"failurePolicy":           "Fail",
			"timeoutSeconds":          askLimit,
			"clientConfig":            s.client(),
			"objectSelector":          map[string]any{"matchLabels": map[string]any{Label: "true"}},
			"rules": []any{map[string]any{
				"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "resources": []string{"pods"}, "operations": []string{"CREATE"},
			}},
		}},
	})
}

// client says how the API server reaches this server.
func (s *Server) client() map[string]any {
	service, ok := strings.CutSuffix(s.base.Hostname(), serviceDomain)
	if !ok {
		return map[string]any{"url": s.base.JoinPath(path).String(), "caBundle": s.ca}
	}
	name, namespace, _ := strings.Cut(service, ".")
	reference := map[string]any{"name": name, "namespace": namespace, "path": path}
	if port, err := strconv.Atoi(s.base.Port()); err == nil {
		reference["port"] = port
	}
	return map[string]any{"service": reference, "caBundle": s.ca}
}

// review is the part of an AdmissionReview that matters.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID    string `json:"uid"`
	Object struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	} `json:"object"`
}

type response struct {
	UID     string  `json:"uid"`
	Allowed bool    `json:"allowed"`
	Status  *status `json:"status,omitempty"`
}

type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *Server) review(w http.ResponseWriter, r *http.Request) {
	var ask review
	err := json.NewDecoder(io.LimitReader(r.Body, maxReview)).Decode(&ask)
	if err != nil || ask.Request == nil || ask.Request.UID == "" {
		http.Error(w, "want an AdmissionReview of a pod", http.StatusBadRequest)
		return
	}
	answer := response{UID: ask.Request.UID}
	if answer.Allowed, err = s.decide(ask.Request.Object.Metadata.Annotations[Annotation]); err != nil {
		answer.Status = &status{Code: http.StatusForbidden, Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review{APIVersion: ask.APIVersion, Kind: ask.Kind, Response: &answer}) // the API server sees a cut answer as none
}

func (s *Server) decide(workload string) (bool, error) {
	k, err := federation.ParseKey(workload)
	if err != nil {
		return false, fmt.Errorf("a pod with the label %s needs the annotation %s: NAMESPACE/NAME of its workload", Label, Annotation)
	}
	left, why := s.opts.Left(k, time.Now())
	if left <= 0 {
		s.opts.Log.Info("a pod was refused", "workload", workload, "reason", why)
		return false, fmt.Errorf("workload %s runs at most once, and not here: %s", workload, why)
	}
	return true, nil
}

// known reads an identity, and refuses one that is not for the host or ends soon.
func known(identity []byte, host string) (tls.Certificate, error) {
	c, err := tls.X509KeyPair(identity, identity)
	if err != nil {
		return c, err
	}
	if err := c.Leaf.VerifyHostname(host); err != nil {
		return c, err
	}
	if time.Now().Add(identityTTL).After(c.Leaf.NotAfter) {
		return c, fmt.Errorf("it ends on %s", c.Leaf.NotAfter.Format(time.DateOnly))
	}
	return c, nil
}

// selfSigned makes a certificate that is its own authority, and writes it with its key.
func selfSigned(host string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "hansa agent"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	identity := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, identity, nil
}
