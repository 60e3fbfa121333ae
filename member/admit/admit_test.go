package admit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// serve runs a server that lets shop/once start, and returns how to ask it as the
// API server does: at the URL and with the CA of its configuration.
func serve(t *testing.T) func(body string) (int, review) {
	t.Helper()
	s, err := New(Options{
		Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Left: func(k federation.Key, _ time.Time) (time.Duration, string) {
			if k == (federation.Key{Namespace: "shop", Name: "once"}) {
				return 9 * time.Second, ""
			}
			return 0, "its lease has ended"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var c struct {
		Webhooks []struct {
			FailurePolicy  string
			ClientConfig   struct{ URL, CABundle string }
			ObjectSelector struct{ MatchLabels map[string]string }
		}
	}
	b, err := s.Configuration()
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || len(c.Webhooks) != 1 || c.Webhooks[0].FailurePolicy != "Fail" || c.Webhooks[0].ObjectSelector.MatchLabels[Label] != "true" {
		t.Fatalf("configuration %s: %v", b, err)
	}
	var ca []byte
	if err := json.Unmarshal([]byte(`"`+c.Webhooks[0].ClientConfig.CABundle+`"`), &ca); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the configuration has no CA")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	return func(body string) (int, review) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Webhooks[0].ClientConfig.URL, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer review
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return resp.StatusCode, answer
	}
}

func podReview(annotations string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","object":{"metadata":{"annotations":%s}}}}`, annotations)
}

func TestReview(t *testing.T) {
	ask := serve(t)
	for _, c := range []struct{ name, annotations, refusal string }{
		{"with a lease", `{"hansa.io/workload":"shop/once"}`, ""},
		{"without one", `{"hansa.io/workload":"shop/other"}`, "workload shop/other runs at most once, and not here: its lease has ended"},
		{"of nobody", `{}`, "needs the annotation hansa.io/workload"},
		{"of no workload", `{"hansa.io/workload":"once"}`, "needs the annotation hansa.io/workload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, a := ask(podReview(c.annotations))
			if code != http.StatusOK || a.APIVersion != "admission.k8s.io/v1" || a.Kind != "AdmissionReview" || a.Response == nil || a.Response.UID != "u1" {
				t.Fatalf("answered %d %+v", code, a)
			}
			if a.Response.Allowed != (c.refusal == "") {
				t.Fatalf("allowed: %v", a.Response.Allowed)
			}
			if c.refusal != "" && (a.Response.Status == nil || !strings.Contains(a.Response.Status.Message, c.refusal)) {
				t.Fatalf("refused with %+v", a.Response.Status)
			}
		})
	}
}

func TestBadReviews(t *testing.T) {
	ask := serve(t)
	for _, body := range []string{"", "{", "{}", `{"request":{}}`, strings.Repeat("x", maxReview+1)} {
		if code, _ := ask(body); code != http.StatusBadRequest {
			t.Errorf("%.20q: status %d", body, code)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	left := func(federation.Key, time.Time) (time.Duration, string) { return 0, "" }
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{Listen: "127.0.0.1:0", Log: log}, "Left and Log must be set"},
		{Options{Listen: "127.0.0.1", Log: log, Left: left}, "listen for admission reviews"},
		{Options{Listen: "127.0.0.1:0", URL: "http://h", Log: log, Left: left}, "want https://HOST"},
		{Options{Listen: "127.0.0.1:0", URL: "https://agent.svc", Log: log, Left: left}, "want https://NAME.NAMESPACE.svc"},
	} {
		if s, err := New(c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", s, err, c.want)
		}
	}
}

// TestClient: by its URL the API server reaches the server itself, or a Service of it.
func TestClient(t *testing.T) {
	for address, want := range map[string]string{
		"https://10.0.0.7:8443":           `"url":"https://10.0.0.7:8443/pods"`,
		"https://agent.system.svc":        `"service":{"name":"agent","namespace":"system","path":"/pods"}`,
		"https://agent.system.svc:8443":   `"service":{"name":"agent","namespace":"system","path":"/pods","port":8443}`,
		"https://agent.system.svc.local/": `"url":"https://agent.system.svc.local/pods"`,
	} {
		s, err := New(Options{Listen: "127.0.0.1:0", URL: address, Log: slog.New(slog.DiscardHandler), Left: func(federation.Key, time.Time) (time.Duration, string) { return 0, "" }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if c, err := s.Configuration(); err != nil || !strings.Contains(string(c), want) {
			t.Errorf("%s: %v, want %s in %s", address, err, want, c)
		}
	}
}

// TestIdentity: the next life of a server goes on with the certificate of this one, as
// long as it is good for the address; and a pod's guard is answered under it.
func TestIdentity(t *testing.T) {
	open := func(address string, identity []byte) *Server {
		t.Helper()
		s, err := New(Options{
			Listen: "127.0.0.1:0", URL: address, Identity: identity, Log: slog.New(slog.DiscardHandler),
			Left: func(k federation.Key, _ time.Time) (time.Duration, string) {
				if k.Name == "once" {
					return 1500 * time.Millisecond, ""
				}
				return 0, "no lease"
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	first := open("", nil)
	again := open("", first.Identity())
	if !bytes.Equal(first.Identity(), again.Identity()) || len(again.Identity()) == 0 {
		t.Error("the second life has another identity")
	}
	if moved := open("https://agent.example", first.Identity()); bytes.Equal(first.Identity(), moved.Identity()) {
		t.Error("a certificate is used for a name that it does not have")
	}
	if damaged := open("", []byte("x")); len(damaged.Identity()) < 100 {
		t.Error("a damaged identity is not replaced")
	}
	go func() { _ = again.Run(t.Context()) }() // ends with the test
	env := again.GuardEnv(federation.Key{Namespace: "shop", Name: "once"})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(env[GuardCA])) {
		t.Fatal("no CA for guards")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for url, want := range map[string]Lease{env[GuardURL]: {LeftMs: 1500}, strings.Replace(env[GuardURL], "once", "other", 1): {Why: "no lease"}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var got Lease
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got != want {
			t.Errorf("%s: %+v %v", url, got, err)
		}
		resp.Body.Close()
	}
}
