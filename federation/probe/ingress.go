package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Sight is what one look saw.
type Sight struct {
	Signal federation.Signal
	Detail string // one short phrase for people; empty when it is Green
}

// Ingress looks at an ingress once. Green is a connection to "tcp://HOST:PORT", and an
// answer of "http://HOST:PORT/PATH" below 500: what serves no such path is there. An
// address that is none of these, or none at all, is Absent.
func Ingress(ctx context.Context, at string, timeout time.Duration) Sight {
	target, err := url.Parse(at)
	if at == "" || err != nil || target.Port() == "" || target.Scheme != "tcp" && target.Scheme != "http" {
		return Sight{Detail: "no address to look at"}
	}
	if timeout <= 0 {
		timeout = Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := dialer{connect: (&net.Dialer{}).DialContext, timeout: timeout}
	if target.Scheme == "tcp" {
		conn, err := dial.dial(ctx, "tcp", target.Host)
		if err != nil {
			return Sight{Signal: federation.Red, Detail: phrase(err, timeout)}
		}
		conn.Close()
		return Sight{Signal: federation.Green}
	}
	status, err := get(ctx, at, &http.Transport{DialContext: dial.dial, DisableKeepAlives: true})
	switch {
	case err != nil:
		return Sight{Signal: federation.Red, Detail: phrase(err, timeout)}
	case status >= http.StatusInternalServerError:
		return Sight{Signal: federation.Red, Detail: fmt.Sprintf("answered %d", status)}
	}
	return Sight{Signal: federation.Green}
}
