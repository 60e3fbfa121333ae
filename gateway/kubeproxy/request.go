package kubeproxy

import (
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/gateway/grpcserver"
)

// impersonates names a header by which the caller wants to be somebody else, or "".
func impersonates(h http.Header) string {
	for name := range h {
		if strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
			return name
		}
	}
	return ""
}

// rewrite makes of the caller's request the one for the agent. It runs after headers
// that concern one connection were removed, so that nothing can remove what it sets.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	req, _ := r.In.Context().Value(requestKey{}).(request)
	out := r.Out
	out.URL.Scheme, out.URL.Host, out.Host = "http", req.member, req.member
	out.URL.Path, out.URL.RawPath = req.path, req.raw
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
		out.Header.Del(name)
	}
	out.Header.Set("Impersonate-User", "hansa:"+req.user)
	out.Header.Set("Impersonate-Group", group(req.role))
	out.Header.Set("Impersonate-Extra-Hansa.io%2fgateway", p.opts.Name)
}

// group is what RBAC in the members knows a role by.
func group(r grpcserver.Role) string { return "hansa:" + r.String() + "s" }

// tell counts a request that has ended, and logs it unless it only read, and might.
func (p *Proxy) tell(r *http.Request, req request, code int, took time.Duration) {
	if req.member != "" {
		p.metrics.ended(req.member, code)
	}
	reads := (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Upgrade") == ""
	if reads && code < http.StatusInternalServerError && code != http.StatusUnauthorized && code != http.StatusForbidden {
		return
	}
	p.opts.Log.Info("member request", "member", req.member, "user", req.user, "role", req.role.String(), "method", r.Method,
		"path", req.path, "code", code, "from", r.RemoteAddr, "took", took.Round(time.Millisecond))
}

// watched remembers the code of an answer; one that is taken over for an upgrade has
// none of its own.
type watched struct {
	http.ResponseWriter
	code int
	cut  *atomic.Bool
}

// WriteHeader notes the code.
func (w *watched) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap gives http.ResponseController what it needs.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buffers are shared among the answers that are being passed on.
type buffers struct{ pool sync.Pool }

// Get returns a buffer.
func (b *buffers) Get() []byte {
	if held, ok := b.pool.Get().(*[]byte); ok {
		return *held
	}
	return make([]byte, bufferSize)
}

// Put takes one back.
func (b *buffers) Put(held []byte) { b.pool.Put(&held) }
