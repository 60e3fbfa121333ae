package natstest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Cluster starts a server on each address from a configuration that "hansa bus
// bootstrap" printed, and waits until all take connections. They end with the test.
func Cluster(t testing.TB, f Files, config string, addresses []string) []*Server {
	t.Helper()
	routes := Addresses(t, len(addresses))
	var out []*Server
	for i, address := range addresses {
		values := f.Values(t, fmt.Sprintf("nats-%d", i), address)
		if len(addresses) > 1 {
			f.Clustered(values, routes[i], Linked(t, config, routes))
		}
		out = append(out, Begin(t, Change(t, config, values)))
	}
	for _, s := range out {
		s.Ready()
	}
	return out
}

// Values are what a server on the address changes in a configuration, by the path of
// the line; those of a server that is alone.
func (f Files) Values(t testing.TB, name, address string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	values := map[string]string{
		"server_name": name, "listen": address,
		"jetstream.store_dir": quoted(filepath.Join(dir, "streams")), "resolver.dir": quoted(filepath.Join(dir, "accounts")),
	}
	f.certify(values, "tls")
	return values
}

// Clustered adds what a server of several changes: where it listens for the others, and
// where each of them is, as Linked has it.
func (f Files) Clustered(values map[string]string, listen, routes string) {
	values["cluster.listen"], values["cluster.routes"] = listen, routes
	f.certify(values, "cluster.tls")
	values["cluster.tls.ca_file"] = quoted(f.CAFile)
}

// Gatewayed adds what a server of one of several clusters changes: where it listens for
// the others, where they find it, and where they are.
func (f Files) Gatewayed(values map[string]string, listen, advertise, gateways string) {
	values["gateway.listen"], values["gateway.advertise"], values["gateway.gateways"] = listen, advertise, gateways
	f.certify(values, "gateway.tls")
	values["gateway.tls.ca_file"] = quoted(f.CAFile)
}

func (f Files) certify(values map[string]string, block string) {
	values[block+".cert_file"], values[block+".key_file"] = quoted(f.CertFile), quoted(f.KeyFile)
}

func quoted(text string) string { return fmt.Sprintf("%q", text) }

// Linked lists URLs of servers for servers, with the password that the configuration has.
func Linked(t testing.TB, config string, addresses []string) string {
	t.Helper()
	_, rest, _ := strings.Cut(config, `password: "`)
	password, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatal("no password in the configuration")
	}
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = quoted("nats://hansa:" + password + "@" + a)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
