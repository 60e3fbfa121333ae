package grpcserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// fixed is a picture that the test replaces, and a gateway that writes nothing.
type fixed struct {
	table *route.Table
	next  chan struct{}
	hits  int
	all   int
}

func (f *fixed) Table() *route.Table                             { return f.table }
func (f *fixed) Changed() <-chan struct{}                        { return f.next }
func (*fixed) Apply(context.Context, Apply) ([]Applied, error)   { return nil, messaging.ErrDenied }
func (*fixed) Delete(context.Context, Delete) ([]Applied, error) { return nil, messaging.ErrDenied }
func (*fixed) SetScore(context.Context, federation.Feed) error   { return messaging.ErrDenied }
func (*fixed) Request(context.Context, string, []byte) ([]byte, error) {
	return nil, messaging.ErrNoResponder
}

// counted is the Measure of a fixed.
type counted struct{ *fixed }

func (counted) Request(string, codes.Code, time.Duration) {}
func (counted) Asked(federation.Key, string)              {}
func (c counted) Answer(cached bool) {
	c.all++
	if cached {
		c.hits++
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// picture has shop/web in n members of four regions, each with 10 endpoints.
func picture(n int) *route.Builder {
	b := route.NewBuilder()
	regions := []string{"ap-northeast", "eu-central", "us-east", "us-west"}
	beat := federation.HubBeat{Term: 1, Sequence: 1}
	for i := range n {
		name := fmt.Sprintf("m%02d", i)
		b.SetMember(federation.MemberSpec{Name: name, Place: catalogue.Resolve(federation.Place{Region: regions[i%len(regions)]})}, 1)
		e := federation.Export{
			Member: name, Incarnation: 1, Service: federation.Key{Namespace: "shop", Name: "web"}, ExportedAt: noon, ObservedAt: noon,
			Ports: []federation.Port{{Name: "http", Protocol: "TCP", Port: 80, Target: 8080}},
		}
		for j := range 10 {
			e.Endpoints = append(e.Endpoints, federation.Endpoint{Address: fmt.Sprintf("10.%d.0.%d", i, j), Ready: true, Serving: true})
		}
		b.SetExport(e, noon)
		beat.Members = append(beat.Members, federation.MemberBeat{Member: name, Health: federation.Healthy, Incarnation: 1})
	}
	b.SetBeat(beat, noon)
	b.SetSynced(true)
	return b
}

func newServer(t testing.TB, table *route.Table) (*Server, *fixed) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("tokens: [{name: eve, role: viewer, token: viewer-token-0123456789}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := LoadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixed{table: table, next: make(chan struct{})}
	s, err := New(Options{
		Tables: f, Desired: f, Hub: f, Tokens: tokens, Connected: func() bool { return true }, Measure: counted{f},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// TestAnswersAreCached: the same question about the same table in the same
// moment is ranked once; another place, port, table or moment is another one.
func TestAnswersAreCached(t *testing.T) {
	b := picture(2)
	s, f := newServer(t, b.Table())
	ask := func(r *gatewayv1.ResolveRequest, now time.Time) *gatewayv1.ResolveResponse {
		t.Helper()
		r.Namespace, r.Name = "shop", "web"
		answer, err := s.resolve(f.table, r, now)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first := ask(&gatewayv1.ResolveRequest{}, noon)
	if again := ask(&gatewayv1.ResolveRequest{}, noon.Add(ageStep/2)); again != first || f.hits != 1 {
		t.Errorf("ranked again: %d hits of %d", f.hits, f.all)
	}
	for name, other := range map[string]func(){
		"place":  func() { ask(&gatewayv1.ResolveRequest{From: "paris"}, noon) },
		"port":   func() { ask(&gatewayv1.ResolveRequest{Port: "80"}, noon) },
		"moment": func() { ask(&gatewayv1.ResolveRequest{}, noon.Add(ageStep)) },
		"detail": func() { ask(&gatewayv1.ResolveRequest{Explain: true}, noon) },
		"table":  func() { f.table = b.Table(); ask(&gatewayv1.ResolveRequest{}, noon) },
	} {
		if other(); f.hits != 1 {
			t.Errorf("another %s was answered from the cache", name)
			f.hits = 1
		}
	}
}

// TestAgesGoOn: a cached answer never hides that its source fell silent.
func TestAgesGoOn(t *testing.T) {
	s, f := newServer(t, picture(1).Table())
	for _, c := range []struct {
		after time.Duration
		state string
	}{{0, "fresh"}, {time.Second, "fresh"}, {route.StaleAfter + ageStep, "stale"}} {
		for range 2 { // ranked, then cached
			answer, err := s.resolve(f.table, &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"}, noon.Add(c.after))
			if err != nil {
				t.Fatal(err)
			}
			e := answer.GetTiers()[0].GetEndpoints()[0]
			if e.GetState() != c.state || time.Duration(e.GetAgeMs())*time.Millisecond != c.after {
				t.Errorf("after %v: %s, %v ms", c.after, e.GetState(), e.GetAgeMs())
			}
		}
	}
	if f.hits != 3 {
		t.Errorf("%d of %d from the cache", f.hits, f.all)
	}
}

// TestRefusalsAreNotCached: what is not there now may be there in a moment.
func TestRefusalsAreNotCached(t *testing.T) {
	b := picture(1)
	s, f := newServer(t, b.Table())
	none := &gatewayv1.ResolveRequest{Namespace: "shop", Name: "none"}
	for range 2 {
		if _, err := s.resolve(f.table, none, noon); err == nil || f.hits != 0 {
			t.Errorf("got %v, %d hits", err, f.hits)
		}
	}
}

func TestLoadTokensRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"tokens: [{name: eve, role: king, token: 0123456789abcdef}]": `tokens[0].role "king": want viewer, operator or admin`,
		"tokens: [{role: viewer, token: 0123456789abcdef}]":          "tokens[0].name must be set",
		"tokens: [{name: eve, role: viewer, token: short}]":          "tokens[0].token of eve is shorter than 16 characters",
		"tokns: []": `unknown field "tokns": did you mean "tokens"?`,
	} {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadTokens(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := LoadTokens("/nowhere/tokens.yaml"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// BenchmarkResolve is a query of the handler, without a connection: 12 members
// with 10 endpoints each.
func BenchmarkResolve(b *testing.B) {
	s, f := newServer(b, picture(12).Table())
	r := &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web", From: "osaka"}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.resolve(f.table, r, noon); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ranked", func(b *testing.B) {
		b.ReportAllocs()
		now := noon
		for b.Loop() {
			now = now.Add(ageStep)
			if _, err := s.resolve(f.table, r, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
