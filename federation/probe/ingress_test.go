package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// TestIngress: what answers is there, whatever it says but that it cannot; an address that
// cannot be looked at is no evidence.
func TestIngress(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-block
		case "/broken":
			w.WriteHeader(http.StatusBadGateway)
		case "/moved":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/ok":
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	defer close(block)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	gone := other.Listener.Addr().String()
	other.Close()
	here := server.Listener.Addr().String()

	for at, want := range map[string]Sight{
		"http://" + here + "/ok":                 {Signal: federation.Green},
		"http://" + here + "/other":              {Signal: federation.Green},
		"http://" + here + "/moved":              {Signal: federation.Green},
		"http://" + here + "/broken":             {federation.Red, "answered 502"},
		"http://" + here + "/slow":               {federation.Red, "no answer in 100 ms"},
		"http://" + silent.Addr().String() + "/": {federation.Red, "no answer in 100 ms"},
		"http://" + gone + "/ok":                 {federation.Red, "connection refused"},
		"tcp://" + here:                          {Signal: federation.Green},
		"tcp://" + silent.Addr().String():        {Signal: federation.Green},
		"tcp://" + gone:                          {federation.Red, "connection refused"},
		"http://169.254.169.254:80/latest":       {federation.Red, "an address of the own link is not looked at"},
		"tcp://[::ffff:169.254.1.1]:80":          {federation.Red, "an address of the own link is not looked at"},
		"tcp://127.0.0.1":                        {Detail: "no address to look at"},
		"https://" + here:                        {Detail: "no address to look at"},
		"file:///etc/passwd":                     {Detail: "no address to look at"},
		federation.NoIngress:                     {Detail: "no address to look at"},
		"":                                       {Detail: "no address to look at"},
		"tcp://[::1":                             {Detail: "no address to look at"},
	} {
		limit := 10 * time.Second
		if want.Detail == "no answer in 100 ms" {
			limit = 100 * time.Millisecond
		}
		if got := Ingress(context.Background(), at, limit); got != want {
			t.Errorf("%q: got %v, want %v", at, got, want)
		}
	}
}

// TestDoBoth: API server and ingress are told apart.
func TestDoBoth(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	got := Do(context.Background(), federation.ProbeRequest{Member: "tokyo", IngressAt: "tcp://" + server.Listener.Addr().String(), Timeout: 10 * time.Second}, nobody)
	if got.Member != "tokyo" || got.Signal != federation.Absent || got.Ingress != federation.Green {
		t.Errorf("got %+v", got)
	}
}
