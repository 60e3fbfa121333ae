package kubeproxy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// echo answers with the headers and the path that reached it.
func echo(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{"path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "headers": r.Header, "host": r.Host})
}

// TestIdentity: a request arrives as its caller, in the group of the role, and without
// anything that the caller said about identity.
func TestIdentity(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(echo))
	var got struct {
		Path, Query string
		Headers     http.Header
	}
	answer := w.ask(t, http.MethodGet, "/members/tokyo/api/v1/pods?limit=5", http.Header{
		"Authorization": {"Bearer " + viewerToken}, "Cookie": {"a=b"}, "X-Forwarded-For": {"1.2.3.4"}, "Accept": {"application/json"},
	})
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Path != "/api/v1/pods" || got.Query != "limit=5" {
		t.Errorf("the path is %s?%s", got.Path, got.Query)
	}
	for name, want := range map[string]string{
		"Impersonate-User": "hansa:vera", "Impersonate-Group": "hansa:viewers", "Impersonate-Extra-Hansa.io%2fgateway": "gateway",
		"Authorization": "", "Cookie": "", "X-Forwarded-For": "", "Accept": "application/json",
	} {
		if values := strings.Join(got.Headers.Values(name), ","); values != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	want := "# HELP hansa_gateway_member_requests_total Requests to the members' APIs that have ended, by member and HTTP code.\n" +
		"# TYPE hansa_gateway_member_requests_total counter\nhansa_gateway_member_requests_total{code=\"200\",member=\"tokyo\"} 1\n"
	patience := time.After(10 * time.Second) // a request is counted when its answer is out
	for {
		err := testutil.GatherAndCompare(w.metrics, strings.NewReader(want), "hansa_gateway_member_requests_total")
		if err == nil {
			return
		}
		select {
		case <-patience:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestRefusals: each refusal is a Status with a reason, and nothing of it reaches the
// member.
func TestRefusals(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request that is refused came through") }))
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		code         int
		says         string
	}{
		"no token":       {"GET", "/members/tokyo/api/v1/pods", http.Header{"Authorization": nil}, 401, "no token"},
		"wrong token":    {"GET", "/members/tokyo/api/v1/pods", http.Header{"Authorization": {"Bearer x"}}, 401, "not known"},
		"two tokens":     {"GET", "/members/tokyo/api/v1/pods", http.Header{"Authorization": {"Bearer " + viewerToken, "Bearer " + operatorToken}}, 400, "several"},
		"unknown member": {"GET", "/members/kyoto/api/v1/pods", nil, 404, `member "kyoto" does not exist`},
		"lost member":    {"GET", "/members/osaka/api/v1/pods", nil, 503, "osaka cannot be reached over the bus"},
		"dots":           {"GET", "/members/tokyo/api/v1/%2e%2e/pods", nil, 400, "more than one way"},
		"viewer writes":  {"DELETE", "/members/tokyo/api/v1/namespaces/a/pods/b", http.Header{"Authorization": {"Bearer " + viewerToken}}, 403, "vera is a viewer"},
		"viewer execs":   {"GET", "/members/tokyo/api/v1/namespaces/a/pods/b/exec", http.Header{"Authorization": {"Bearer " + viewerToken}}, 403, "vera is a viewer"},
		"impersonates":   {"GET", "/members/tokyo/api/v1/pods", http.Header{"Impersonate-User": {"system:admin"}}, 403, "Impersonate-User"},
		"a group":        {"GET", "/members/tokyo/api/v1/pods", http.Header{"Impersonate-Group": {"system:masters"}}, 403, "Impersonate-Group"},
		"an extra":       {"GET", "/members/tokyo/api/v1/pods", http.Header{"Impersonate-Extra-Scopes": {"all"}}, 403, "Impersonate-Extra"},
		"front proxy":    {"GET", "/members/tokyo/api/v1/pods", http.Header{"X-Remote-User": {"system:admin"}}, 403, "X-Remote-User"},
		"at discovery":   {"GET", "/members/kyoto/api", nil, 403, `member "kyoto" does not exist`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := w.ask(t, c.method, c.path, c.header)
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != c.code || !strings.Contains(strings.ReplaceAll(string(text), `\"`, `"`), c.says) {
				t.Errorf("%d %s, %v", answer.StatusCode, text, err)
			}
		})
	}
}

// TestForgedIdentity: an agent acts for nobody whom a gateway may not speak for, and no
// header can take away for whom it acts.
func TestForgedIdentity(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(echo))
	const good = "Impersonate-User: hansa:otto\r\nImpersonate-Group: hansa:operators\r\n"
	for name, c := range map[string]struct {
		headers string
		code    int
		has     string
	}{
		"nobody":                 {"", 403, "user []"},
		"good":                   {good, 200, "hansa:otto"},
		"system user":            {"Impersonate-User: system:kube-scheduler\r\nImpersonate-Group: hansa:admins\r\n", 403, "begins with"},
		"prefix alone":           {"Impersonate-User: hansa:\r\nImpersonate-Group: hansa:admins\r\n", 403, "begins with"},
		"two users":              {good + "Impersonate-User: hansa:vera\r\n", 403, "begins with"},
		"masters":                {"Impersonate-User: hansa:otto\r\nImpersonate-Group: system:masters\r\n", 403, "want one of"},
		"masters too":            {good + "Impersonate-Group: system:masters\r\n", 403, "want one of"},
		"uid":                    {good + "Impersonate-Uid: 0\r\n", 403, "a gateway sends none"},
		"extra":                  {good + "Impersonate-Extra-Scopes: all\r\n", 403, "a gateway sends none"},
		"removed by Connection":  {good + "Connection: Impersonate-User, Impersonate-Group\r\n", 200, "hansa:otto"},
		"length and chunks":      {good + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 200, "hansa:otto"}, // the length is dropped
		"two lengths":            {good + "Content-Length: 4\r\nContent-Length: 5\r\n", 400, ""},
		"too many header bytes":  {good + "X: " + strings.Repeat("x", 100<<10) + "\r\n", 431, ""},
		"front proxy is removed": {good + "X-Remote-User: system:admin\r\n", 200, "hansa:otto"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := w.tunnels.Open(t.Context(), account, "api")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			go fmt.Fprintf(s, "GET /api/v1/pods HTTP/1.1\r\nHost: tokyo\r\n%s\r\n0\r\n\r\n", c.headers) // it is refused before it is read whole
			answer, err := http.ReadResponse(bufio.NewReader(s), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != c.code || !strings.Contains(string(text), c.has) || strings.Contains(string(text), "system:admin") || strings.Contains(string(text), "Content-Length") {
				t.Errorf("%d %s", answer.StatusCode, text)
			}
		})
	}
	if _, err := w.tunnels.Open(t.Context(), account, "shell"); err == nil || !strings.Contains(err.Error(), "serves no") {
		t.Errorf("another service: %v", err)
	}
}

// TestCut: an answer that is under way when the path is cut ends with an error.
func TestCut(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	answer := w.ask(t, http.MethodGet, "/members/tokyo/api/v1/pods?watch=1", nil)
	lines := bufio.NewReader(answer.Body)
	if line, err := lines.ReadString('\n'); line != "first\n" {
		t.Fatalf("%q, %v", line, err)
	}
	w.bus.Cut()
	if _, err := lines.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("after a cut, reading gives %v", err)
	}
}

// TestSlowReader: one who does not read stops nobody else.
func TestSlowReader(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			fmt.Fprint(w, "small")
			return
		}
		piece := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	slow := w.ask(t, http.MethodGet, "/members/tokyo/large", nil)
	for range 20 {
		text, err := io.ReadAll(w.ask(t, http.MethodGet, "/members/tokyo/small", nil).Body)
		if err != nil || string(text) != "small" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	if n, err := io.Copy(io.Discard, slow.Body); n != 64<<20 || err != nil {
		t.Errorf("then the slow one read %d bytes, %v", n, err)
	}
}

// TestUpgrade: a connection that changes its protocol carries bytes in both directions,
// and each side may end first.
func TestUpgrade(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, both) // until the other side ends
	}))
	client, lines := w.upgrade(t, "echo")
	fmt.Fprint(client, "there\n")
	if line, err := lines.ReadString('\n'); line != "there\n" {
		t.Fatalf("%q, %v", line, err)
	}
	w.bus.Cut()
	if _, err := lines.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("after a cut, reading gives %v", err)
	}
}

// TestShare: one caller cannot take all connections of a member.
func TestShare(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	for range 64 {
		if answer := w.ask(t, http.MethodGet, "/members/tokyo/api/v1/pods?watch=1", nil); answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
	}
	if answer := w.ask(t, http.MethodGet, "/members/tokyo/api/v1/pods?watch=1", nil); answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more: %s", answer.Status)
	}
	other := w.ask(t, http.MethodGet, "/members/tokyo/api/v1/pods?watch=1", http.Header{"Authorization": {"Bearer " + viewerToken}})
	if other.StatusCode != http.StatusOK {
		t.Errorf("another caller: %s", other.Status)
	}
}
