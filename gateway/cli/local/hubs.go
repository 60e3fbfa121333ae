package local

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// startHubs starts the hubs that do not run and waits until the gateway of each has
// read all records.
func startHubs(ctx context.Context, o UpOptions, spec Spec) error {
	for i := range spec.Hubs {
		hub := o.Home.hub(i)
		if hub.alive() {
			continue
		}
		o.Progress("starting bus, hub and gateway" + strings.TrimPrefix(hub.Name, "hub"))
		file := o.Home.hubConfig(hub.Name)
		if err := o.Home.writeHub(spec, i); err != nil {
			return err
		}
		if out, err := exec.CommandContext(ctx, o.Hansa, "hub", "keys", "--config", file).CombinedOutput(); err != nil {
			return fmt.Errorf("make the keys of the bus: %s: %w", strings.TrimSpace(string(out)), err)
		}
		if err := hub.start(o.Hansa, "hub", "--config", file); err != nil {
			return err
		}
	}
	for i, ports := range spec.HubPorts[:spec.Hubs] {
		if err := awaitHub(ctx, o.Home, o.Home.hub(i), ports); err != nil {
			return err
		}
	}
	return nil
}

func (h Home) hubConfig(name string) string { return h.path(name, "hub.yaml") }

// writeContext tells clients where the gateways are.
func (h Home) writeContext(spec Spec) error {
	return cli.WriteContext(h.Context(), h.contextFor(spec.addresses(func(p HubPorts) int { return p.Gateway })))
}

func (h Home) contextFor(gateways []string) cli.Context {
	return cli.Context{Gateway: strings.Join(gateways, ","), CAFile: h.CA(), TokenFile: h.path("pki", adminToken)}
}

// addresses lists one port of every hub.
func (s Spec) addresses(port func(HubPorts) int) []string {
	var out []string
	for _, p := range s.HubPorts[:s.Hubs] {
		out = append(out, loopback(port(p)))
	}
	return out
}

// writeHub writes the configuration of one hub's process.
func (h Home) writeHub(spec Spec, i int) error {
	c, err := configs.DefaultHub()
	if err != nil {
		return err
	}
	place, ports := spec.Place.place(), spec.HubPorts[i]
	c.Name = hubName(i)
	c.DataDir = h.path(c.Name, "data")
	c.Bus.Listen, c.Bus.CertFile, c.Bus.KeyFile, c.Bus.CAFile = loopback(ports.Bus), h.path("pki", serverCert), h.path("pki", serverKey), h.CA()
	c.Bus.KeysDir = h.path("pki", "bus")
	if spec.Hubs > 1 {
		c.Bus.Advertise = spec.addresses(func(p HubPorts) int { return p.Bus })
		c.Bus.Cluster.Listen = loopback(ports.Cluster)
		for other, p := range spec.HubPorts[:spec.Hubs] {
			if other != i {
				c.Bus.Cluster.Routes = append(c.Bus.Cluster.Routes, loopback(p.Cluster))
			}
		}
	}
	c.Gateway = configs.Gateway{
		Listen: loopback(ports.Gateway), MetricsListen: loopback(ports.Metrics),
		CertFile: h.path("pki", serverCert), KeyFile: h.path("pki", serverKey), TokensFile: h.path("pki", tokensFile),
		Place: configs.Place{Region: place.Region, Zone: place.Zone, Latitude: place.Latitude, Longitude: place.Longitude},
	}
	return writeYAML(filepath.Join(h.path(c.Name), "hub.yaml"), c)
}

func (h Home) dial() (*cli.Client, error) {
	c, err := cli.ReadContext(h.Context())
	if err != nil {
		return nil, err
	}
	return cli.Dial(c)
}

// awaitHub waits until the hub's gateway has read all records, or its process ended.
func awaitHub(ctx context.Context, h Home, hub Process, ports HubPorts) error {
	client, err := cli.Dial(h.contextFor([]string{loopback(ports.Gateway)}))
	if err != nil {
		return err
	}
	defer client.Close()
	var last error
	err = poll(ctx, 100*time.Millisecond, func() (bool, error) {
		if !hub.alive() {
			return false, fmt.Errorf("the hub ended: %s (log: %s)", hub.lastLine(), hub.Log())
		}
		ask, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		status, err := client.Events.GetStatus(ask, &gatewayv1.GetStatusRequest{})
		last = err
		return err == nil && status.GetSynced() && status.GetHubAgeMs() >= 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && last != nil {
		return fmt.Errorf("the gateway of %s does not answer: %w (log: %s)", hub.Name, last, hub.Log())
	}
	return err
}
