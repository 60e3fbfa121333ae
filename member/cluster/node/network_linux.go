package node

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

// sysctls of the node's network namespace. A node answers for its pods and
// ClusterIPs at once, forwards to them, and soon asks again who answers for those
// of another member: that node may have died.
var sysctls = []struct{ name, value string }{
	{"ipv4/ip_forward", "1"},
	{"ipv4/conf/eth0/proxy_arp", "1"},
	{"ipv4/neigh/eth0/proxy_delay", "0"},
	{"ipv4/neigh/eth0/base_reachable_time_ms", "4000"},
	{"ipv4/neigh/eth0/delay_first_probe_time", "1"},
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/eth0/rp_filter", "0"},
}

// connect sets the node's network up: addresses, and the routes of a flat network.
func connect(c Config) error {
	lo, err := linkUp("lo")
	if err != nil {
		return err
	}
	if err := addAddress(lo, netip.PrefixFrom(netip.MustParseAddr(DNSAddress), 32)); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find eth0: %w", err)
	}
	if err := addAddress(eth0, c.Address); err != nil {
		return err
	}
	if _, err := linkUp("eth0"); err != nil {
		return err
	}
	for _, s := range sysctls {
		if err := os.WriteFile("/proc/sys/net/"+s.name, []byte(s.value), 0o644); err != nil {
			return fmt.Errorf("set net/%s: %w", s.name, err)
		}
	}
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if err := addRoute(eth0, everything, c.Address.Addr()); err != nil {
		return err
	}
	// kube-proxy rewrites what goes to a ClusterIP before it is routed; this route
	// only makes the node answer for the range.
	return addRoute(lo, c.MemberServices, c.Address.Addr())
}

func linkUp(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return link, nil
}

func addAddress(link netlink.Link, p netip.Prefix) error {
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(p)}); err != nil {
		return fmt.Errorf("give %s the address %s: %w", link.Attrs().Name, p, err)
	}
	return nil
}

func addRoute(link netlink.Link, to netip.Prefix, from netip.Addr) error {
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(to), Scope: netlink.SCOPE_LINK, Src: from.AsSlice()}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s to %s: %w", to, link.Attrs().Name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
