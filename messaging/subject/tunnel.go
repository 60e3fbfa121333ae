package subject

import (
	"fmt"
	"strings"
)

// A Tunnel names the subjects of one tunnel. Each of its parts may be "*", for all.
type Tunnel struct {
	// Account is the member's account key; "" gives the names that the member itself
	// uses, where the server puts the account in.
	Account string
	Dialer  string // name of the gateway that asks for the tunnel
	Session string // 32 hexadecimal digits
}

// TunnelAPI is what a gateway asks of a tunnel to reach the member's API server.
const TunnelAPI = "api"

// Open is where the member hears that the tunnel is asked for.
func (t Tunnel) Open() string { return t.name("down.open.") }

// Down is where the member hears the tunnel's frames.
func (t Tunnel) Down() string { return t.name("down.tunnel.") }

// Up is where the dialer hears the tunnel's frames.
func (t Tunnel) Up() string { return t.name("up.tunnel.") }

func (t Tunnel) name(of string) string {
	prefix := root
	if t.Account != "" {
		prefix += "m." + t.Account + "."
	}
	return prefix + of + t.Dialer + "." + t.Session
}

// ParseOpen returns the tunnel that is asked for on subject s, which either side's name
// of Open.
func ParseOpen(s string) (Tunnel, error) {
	var t Tunnel
	rest, ok := strings.CutPrefix(s, root)
	if of, found := strings.CutPrefix(rest, "m."); found {
		t.Account, rest, _ = strings.Cut(of, ".")
	}
	rest, of := strings.CutPrefix(rest, "down.open.")
	t.Dialer, t.Session, _ = strings.Cut(rest, ".")
	if !ok || !of || t.Open() != s || !isSession(t.Session) || t.Dialer == "" || Token(t.Dialer) != t.Dialer {
		return Tunnel{}, fmt.Errorf("subject %q names no tunnel", s)
	}
	return t, nil
}

func isSession(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
