package probe

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/pki"
)

func TestDo(t *testing.T) {
	status := http.StatusOK
	block := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/slow/readyz":
			<-block
		case r.URL.Path != "/readyz":
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	defer close(block)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	other := httptest.NewTLSServer(http.NotFoundHandler())
	gone := other.URL
	other.Close()

	for _, c := range []struct {
		name   string
		status int
		r      federation.ProbeRequest
		want   federation.Signal
		detail string
	}{
		{"ready", 200, federation.ProbeRequest{URL: server.URL, CA: ca, Timeout: 10 * time.Second}, federation.Green, ""},
		{"not ready", 500, federation.ProbeRequest{URL: server.URL, CA: ca, Timeout: 10 * time.Second}, federation.Red, "/readyz answered 500"},
		{"refused", 200, federation.ProbeRequest{URL: gone, CA: ca, Timeout: 10 * time.Second}, federation.Red, "connection refused"},
		{"slow", 200, federation.ProbeRequest{URL: server.URL + "/slow", CA: ca, Timeout: 50 * time.Millisecond}, federation.Red, "no answer in 50 ms"},
		{"no address", 200, federation.ProbeRequest{CA: ca}, federation.Absent, "no address to probe"},
		{"no CA", 200, federation.ProbeRequest{URL: server.URL}, federation.Absent, "no CA to check the API server with"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status = c.status
			got := Do(context.Background(), c.r, nobody)
			if got.Signal != c.want || c.detail != "" && got.Detail != c.detail {
				t.Errorf("got %v, want %v %q", got, c.want, c.detail)
			}
		})
	}
}

// TestDoForeignCertificate: another server at the member's address is Red.
func TestDoForeignCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	authority, err := pki.NewAuthority("another member", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	foreign := authority.Pair().Certificate
	got := Do(context.Background(), federation.ProbeRequest{URL: server.URL, CA: foreign, Timeout: 10 * time.Second}, nobody)
	if got.Signal != federation.Red || got.Detail != "somebody else's certificate" {
		t.Errorf("got %v", got)
	}
}
