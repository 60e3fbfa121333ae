package nats

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/hansa-io/hansa/federation"
)

// slowFor is how long a client that was cut off for being slow is reported.
const slowFor = time.Hour

// connections are those that are open, and those that were cut off of late because they
// did not read.
func (i *Inspector) connections(seen *inspection, members map[string]string) []federation.BusConnection {
	var out []federation.BusConnection
	for _, one := range seen.open {
		if n := one.Data.Total - len(one.Data.Conns); n > 0 {
			seen.omit("%d more connections of %s", n, one.Server.Name)
		}
		for _, c := range one.Data.Conns {
			out = append(out, i.connection(c, one.Server.Name, members))
		}
	}
	for _, one := range seen.closed {
		for _, c := range one.Data.Conns {
			if c.Stop == nil || time.Since(*c.Stop) > slowFor || !strings.HasPrefix(c.Reason, "Slow Consumer") {
				continue
			}
			line := i.connection(c, one.Server.Name, members)
			line.Closed, line.Reason = *c.Stop, c.Reason
			out = append(out, line)
		}
	}
	slices.SortFunc(out, func(a, b federation.BusConnection) int {
		return cmp.Or(
			b.Closed.Compare(a.Closed), cmp.Compare(b.Pending, a.Pending), cmp.Compare(b.RTT, a.RTT),
			cmp.Compare(a.Member, b.Member), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Server, b.Server),
		)
	})
	return out
}

// connection is one client. Its credentials are read and not passed on.
func (i *Inspector) connection(c *server.ConnInfo, name string, members map[string]string) federation.BusConnection {
	rtt, _ := time.ParseDuration(c.RTT) // empty before the first ping
	out := federation.BusConnection{
		Server: name, Member: members[c.Account], Role: "unknown", Name: c.Name, Account: c.Account, Address: c.IP, RTT: rtt, Since: c.Start,
		Pending: int64(c.Pending), Stalls: c.Stalls,
	}
	if claims, err := jwt.DecodeUserClaims(c.JWT); err == nil {
		out.User = claims.Subject
		if claims.Expires > 0 {
			out.Expires = time.Unix(claims.Expires, 0)
		}
		if role := Role(claims.Name); role == HubRole || role == GatewayRole || role == SystemRole {
			out.Role = claims.Name
		}
	}
	if out.Member != "" {
		out.Role = ""
	}
	return out
}

// mostLookUps bounds how many accounts without a member are looked at in one inspection.
const mostLookUps = 50

// orphans are the accounts that the servers hold and no member has, and that were not
// revoked.
func (i *Inspector) orphans(ctx context.Context, seen *inspection, members map[string]string) []string {
	own := map[string]bool{i.account: true, public(i.accounts.keys.system): true, public(i.accounts.keys.gateway): true}
	held := map[string]bool{}
	for _, one := range seen.accounts {
		for _, account := range one.Data {
			held[account] = held[account] || !own[account] && members[account] == ""
		}
	}
	var out []string
	looked := 0
	for account, strange := range held {
		if !strange || i.knownRevoked(account) {
			continue
		}
		if looked++; looked > mostLookUps {
			seen.omit("accounts without a member beyond %d", mostLookUps)
			break
		}
		claims, err := i.accounts.lookUp(ctx, account)
		if err != nil {
			seen.omit("account %s: %v", account, err)
			break
		}
		if claims == nil || claims.Name == revokedName {
			i.mu.Lock()
			i.revoked[account] = true
			i.mu.Unlock()
			continue
		}
		out = append(out, account)
	}
	slices.Sort(out)
	return out
}

func (i *Inspector) knownRevoked(account string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.revoked[account]
}
