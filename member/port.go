package member

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/peer"
)

// everywhere reports whether an address to listen at names no address to be reached at.
func everywhere(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false // to listen there says what is wrong
	}
	at, err := netip.ParseAddr(host)
	return host == "" || err == nil && at.IsUnspecified()
}

// openPort takes the agent's own port, and the certificate of an earlier life.
func (a *Agent) openPort() error {
	if err := a.openPapers(); err != nil {
		a.log.Warn("the kept certificate of the federation is of no use, another is asked for", "reason", err)
	}
	a.peers = peer.NewClient(a.identity)
	if a.opts.PeerListen == "" {
		return nil
	}
	var err error
	if a.port, err = a.takePort(); err != nil {
		return err
	}
	a.log.Info("the agent's own port", "listen", a.port.Addr(), "address", a.portAddress())
	return nil
}

// takePort listens where the last life did, if it may listen at any port: others know it
// there, also while no hub can tell them another.
func (a *Agent) takePort() (*peer.Server, error) {
	opts := peer.Options{Listen: a.opts.PeerListen, Identity: a.identity, Alive: a.alive, Attest: a.attest, Log: a.log}
	host, port, err := net.SplitHostPort(opts.Listen)
	if err != nil || port != "0" {
		return peer.New(opts)
	}
	if last := a.book.read().PeerPort; last != "" {
		again := opts
		again.Listen = net.JoinHostPort(host, last)
		if server, err := peer.New(again); err == nil {
			return server, nil
		}
		a.log.Warn("the agent's own port of the last life is taken, it takes another", "port", last)
	}
	server, err := peer.New(opts)
	if err != nil {
		return nil, err
	}
	_, port, err = net.SplitHostPort(server.Addr().String())
	if err == nil {
		err = a.book.change(func(id *identity) { id.PeerPort = port })
	}
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("note the agent's own port: %w", err)
	}
	return server, nil
}

// closePort gives the port back, also when the agent never came to answer.
func (a *Agent) closePort() {
	if a.port != nil {
		a.port.Close()
	}
}

// portAddress is where others reach the agent's own port; empty when it has none.
func (a *Agent) portAddress() string {
	switch {
	case a.port == nil:
		return ""
	case a.opts.PeerAddress != "":
		return a.opts.PeerAddress
	}
	return a.port.Addr().String()
}

// servePort answers at the agent's own port until ctx ends.
func (a *Agent) servePort(ctx context.Context) error {
	if a.port == nil {
		return nil
	}
	return a.port.Serve(ctx)
}

// alive is what the agent says there of itself.
func (a *Agent) alive() federation.Alive {
	out := federation.Alive{Member: a.opts.Name, Incarnation: a.incarnation}
	if heard := a.hub.Load(); heard.sequence > 0 {
		age := time.Since(heard.at).Milliseconds()
		out.HubAgeMillis = &age
	}
	return out
}
