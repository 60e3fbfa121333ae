package config

import (
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/hansa-io/hansa/member/cluster/host"
)

// Complete returns a copy of c with every default filled in. It does not
// validate.
func (c Config) Complete() Config {
	c.Place = c.Place.complete()
	c.Nodes = c.Nodes.complete(c.Place)
	if c.Nodes.Kind == KindContainerd {
		c.Nodes.Network = or(c.Nodes.Network, string(host.NetworkOf(c.DataDir)))
	}
	c.APIAddress = or(c.APIAddress, DefaultAPIAddress)
	c.ServiceCIDR = or(c.ServiceCIDR, DefaultServiceCIDR)
	c.PodCIDR = or(c.PodCIDR, DefaultPodCIDR)
	c.Nodes.Pods = or(c.Nodes.Pods, c.defaultPods())
	if c.Agent != nil {
		agent := *c.Agent
		agent.StateDir = or(agent.StateDir, filepath.Join(c.DataDir, "agent"))
		c.Agent = &agent
	}
	return c
}

// API is where the API server of a completed and valid configuration listens; a
// port of 0 takes a free one.
func (c Config) API() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(c.APIAddress), uint16(c.APIPort))
}

func (p Place) complete() Place {
	p.Region = or(p.Region, DefaultRegion)
	p.Zone = or(p.Zone, p.Region+"-a")
	return p
}

func (n Nodes) complete(place Place) Nodes {
	n.Kind = or(n.Kind, KindSimulated)
	if n.Kind == KindContainerd {
		n.Count = or(n.Count, 1)
	}
	n.Count = or(n.Count, DefaultNodeCount)
	n.CPU = or(n.CPU, DefaultCPU)
	n.Memory = or(n.Memory, DefaultMemory)
	n.Zones = slices.Clone(n.Zones)
	if len(n.Zones) == 0 {
		n.Zones = followingZones(place.Zone)
	}
	return n
}

// defaultPods keeps the pods of many simulated nodes within podCIDR.
func (c Config) defaultPods() int {
	_, simulated := c.Nodes.Numbers()
	prefix, err := c.SimulatedRange()
	if err != nil || !prefix.Addr().Is4() || simulated < 1 {
		return DefaultPods // Validate tells what is wrong
	}
	room := (1<<(32-prefix.Bits()) - unusedAddresses) / simulated
	if room-1 < leastPods {
		return DefaultPods
	}
	return min(DefaultPods, room-1)
}

// followingZones derives three zones from one. A zone that ends in a letter up
// to x is followed by the next letters (1a, 1b, 1c); any other gets the
// endings -b and -c.
func followingZones(zone string) []string {
	last := zone[len(zone)-1]
	if last < 'a' || last > 'x' {
		return []string{zone, zone + "-b", zone + "-c"}
	}
	stem := zone[:len(zone)-1]
	return []string{zone, stem + string(last+1), stem + string(last+2)}
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
