package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// leastVersion is the oldest nats-server on which a hub may run.
const leastVersion = "2.12"

// features are what a hub needs of a server that keeps streams, each with the version
// that brought it and what would happen without it.
var features = []struct{ name, since, without string }{
	{"time to live of single messages", "2.11", "the lease of a hub that died would never end"},
	{"atomic batches", "2.12", "a decision could be stored in part"},
}

// Found is a server of a bus, as it describes itself.
type Found struct {
	Name, Cluster, Version     string
	Streams                    bool // it keeps streams
	SyncAlways                 bool // what it acknowledged is on its disk
	MaxPayload, MaxControlLine int  // bytes
}

// String is the server in one line.
func (f Found) String() string {
	text := fmt.Sprintf("%s: nats-server %s", f.Name, f.Version)
	if f.Cluster != "" {
		text += " in cluster " + f.Cluster
	}
	if f.Streams {
		text += ", keeps streams"
	}
	return text
}

// Survey asks every server of the bus, over a connection of the system account, what it
// is. The answers are in the order of names.
func (c *Conn) Survey(ctx context.Context) ([]Found, error) {
	all, err := askAll[server.Varz](ctx, c.nc, "$SYS.REQ.SERVER.PING.VARZ", nil)
	if err != nil {
		return nil, err
	}
	var found []Found
	for _, v := range all {
		f := Found{
			Name: v.Data.Name, Cluster: v.Data.Cluster.Name, Version: v.Data.Version,
			MaxPayload: v.Data.MaxPayload, MaxControlLine: int(v.Data.MaxControlLine),
		}
		if js := v.Data.JetStream.Config; js != nil && js.StoreDir != "" {
			f.Streams, f.SyncAlways = true, js.SyncAlways
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// keepers are the servers that may keep this federation's streams.
func keepers(found []Found, p Placement) []Found {
	return slices.DeleteFunc(slices.Clone(found), func(f Found) bool {
		return !f.Streams || p.Cluster != "" && f.Cluster != p.Cluster
	})
}

// errNoKeepers is why no stream can be kept.
var errNoKeepers = errors.New("the bus cannot carry a hub: no server keeps streams")

// missing says in one line what the servers lack that a hub cannot do without; nil when
// nothing is.
func missing(found []Found, p Placement) error {
	keep := keepers(found, p)
	if len(keep) == 0 {
		where := ""
		if p.Cluster != "" {
			where = " in cluster " + p.Cluster
		}
		return fmt.Errorf("%w%s: configure jetstream there (found: %v)", errNoKeepers, where, found)
	}
	var lacks []string
	lack := func(f Found, format string, args ...any) {
		lacks = append(lacks, "server "+f.Name+" "+fmt.Sprintf(format, args...))
	}
	for _, f := range keep {
		if why := outdated(f.Version); why != "" {
			lack(f, "has nats-server %s, %s: upgrade it to %s or newer", f.Version, why, leastVersion)
		}
	}
	for _, f := range found {
		if f.MaxPayload < MaxPayload {
			lack(f, "takes at most %d bytes in a message: set max_payload to %d", f.MaxPayload, MaxPayload)
		}
		if f.MaxControlLine < maxControlLine {
			lack(f, "takes at most %d bytes in a line, less than the CONNECT of a gateway has: set max_control_line to %d", f.MaxControlLine, maxControlLine)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return errors.New("the bus cannot carry a hub: " + strings.Join(lacks, "; "))
}

// outdated lists what the version does not have, and what that means.
func outdated(version string) string {
	var out []string
	for _, f := range features {
		if older(version, f.since) {
			out = append(out, fmt.Sprintf("without %s (since %s): %s", f.name, f.since, f.without))
		}
	}
	return strings.Join(out, ", and ")
}

// older compares major and minor versions. What is no version is older.
func older(version, than string) bool {
	major, minor, ok := release(version)
	wantMajor, wantMinor, _ := release(than)
	return !ok || major < wantMajor || major == wantMajor && minor < wantMinor
}

func release(version string) (major, minor int, ok bool) {
	n, _ := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &major, &minor)
	return major, minor, n == 2
}

// advice says what could be better, a line for each.
func advice(found []Found, p Placement) []string {
	var out []string
	for _, f := range keepers(found, p) {
		if !f.SyncAlways {
			out = append(out, fmt.Sprintf("server %s may lose acknowledged writes in a power cut: set sync_interval to always", f.Name))
		}
	}
	return out
}
