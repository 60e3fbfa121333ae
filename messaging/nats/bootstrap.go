package nats

import (
	_ "embed" // for the directive below
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"text/template"

	"github.com/nats-io/jwt/v2"
)

//go:embed server.conf
var serverConfig string

var serverTemplate = template.Must(template.New("server.conf").Parse(serverConfig))

// Ports that a configuration proposes, beside that for clients.
const (
	routePort   = "7432"
	gatewayPort = "7442"
)

// Site describes the servers of an external bus.
type Site struct {
	// URLs of the servers that keep streams, tls://host:port.
	URLs []string
	// Home is the cluster that these servers make, when there are others that are
	// linked to it by gateways; empty when there is no other.
	Home string
	// Cluster is the one that the configuration is for; Home by default.
	Cluster string
	// Foreign says that the servers trust an operator of somebody else.
	Foreign bool
}

// ServerConfig is what a nats-server of the site needs to carry this federation: a
// configuration file, in which only the lines that say CHANGE differ from server to
// server. It is complete unless the operator is foreign.
func (k *Keys) ServerConfig(site Site) (string, error) {
	values, err := k.signed()
	if err != nil {
		return "", fmt.Errorf("make a server's configuration: %w", err)
	}
	hosts, port, err := site.hosts()
	if err != nil {
		return "", fmt.Errorf("make a server's configuration: %w", err)
	}
	cluster, at := site.cluster(), hosts
	gateways := gateway(site.Home, hosts, values["Password"])
	if cluster != site.Home && site.Home != "" {
		at = []string{cluster + "-1.example.org", cluster + "-2.example.org", cluster + "-3.example.org"}
		gateways += ", " + gateway(cluster, at, values["Password"])
	}
	values["Port"], values["Cluster"], values["Home"] = port, cluster, site.Home
	values["Gateways"], values["Routes"] = gateways, linked(at, routePort, values["Password"])
	return render(values, map[string]bool{
		"Foreign": site.Foreign, "Streams": site.Home == "" || site.Home == cluster,
		"Clustered": len(hosts) > 1 || site.Home != "", // JetStream wants routes beside gateways
	})
}

func render(values map[string]string, parts map[string]bool) (string, error) {
	all := map[string]any{"Needs": leastVersion, "MaxPayload": MaxPayload, "MaxControlLine": maxControlLine, "MaxPending": maxPending}
	for name, value := range values {
		all[name] = value
	}
	for name, there := range parts {
		all[name] = there
	}
	var out strings.Builder
	err := serverTemplate.Execute(&out, all)
	return out.String(), err
}

func (s Site) cluster() string {
	switch {
	case s.Cluster != "":
		return s.Cluster
	case s.Home != "":
		return s.Home
	}
	return "hansa"
}

// hosts are those of the URLs, and the port of the first.
func (s Site) hosts() (hosts []string, port string, err error) {
	if len(s.URLs) == 0 {
		return nil, "", errors.New("no URL of a server")
	}
	for i, text := range s.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Port() == "" {
			return nil, "", fmt.Errorf("%q is not tls://HOST:PORT", text)
		}
		hosts = append(hosts, u.Hostname())
		if i == 0 {
			port = u.Port()
		}
	}
	return hosts, port, nil
}

// gateway is a cluster in a list of those that are linked.
func gateway(cluster string, hosts []string, password string) string {
	return fmt.Sprintf("{name: %q, urls: [%s]}", cluster, linked(hosts, gatewayPort, password))
}

// linked are the URLs of servers for other servers.
func linked(hosts []string, port, password string) string {
	out := make([]string, len(hosts))
	for i, host := range hosts {
		u := url.URL{Scheme: "nats", User: url.UserPassword("hansa", password), Host: net.JoinHostPort(host, port)}
		out[i] = fmt.Sprintf("%q", u.String())
	}
	return strings.Join(out, ", ")
}

// signed are the values of a configuration that only who has the keys can make.
func (k *Keys) signed() (map[string]string, error) {
	password, err := k.routePassword()
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		"Password": password, "SigningKey": public(k.operator), "SystemAccount": public(k.system),
		"HubAccount": public(k.hub), "GatewayAccount": public(k.gateway),
	}
	gateway, err := k.gatewayClaims()
	if err != nil {
		return nil, err
	}
	for name, claims := range map[string]jwt.Claims{"Operator": k.operatorClaims(), "System": k.systemClaims(), "Hub": k.hubClaims(), "Gateway": gateway} {
		if values[name], err = claims.Encode(k.operator); err != nil {
			return nil, fmt.Errorf("sign %s: %w", name, err)
		}
	}
	return values, nil
}
