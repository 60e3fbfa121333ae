package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Sight is what one look saw.
type Sight struct {
	Signal federation.Signal
	Detail string // one short phrase for people; empty when it is Green
}

// Ingress looks at an ingress once. Green is a connection to "tcp://HOST:PORT", and an
// answer of "http://HOST:PORT/PATH" below 500: what serves no such path is there, and a
// redirect is an answer. An address that is none of these, or none at all, is Absent. Who
// announces an ingress may be another's member, so nothing is sent to addresses that mean
// something on this machine's own link alone, as those of clouds' metadata do.
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
	dial := dialer{connect: (&net.Dialer{Control: Outside}).DialContext, timeout: timeout}
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

var errLink = errors.New("an address of the own link is not looked at")

// Outside is the Control of a net.Dialer that refuses addresses of the own link, also those
// that a name turned out to have.
func Outside(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || to.Addr().Unmap().IsLinkLocalUnicast() {
		return errLink
	}
	return nil
}
