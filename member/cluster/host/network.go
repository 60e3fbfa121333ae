package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"

	"github.com/vishvananda/netlink"
)

// Network names what belongs to one federation: eight hexadecimal digits.
type Network string

// NetworkOf returns the network of the federation, or of the lone member, that
// lives in a directory.
func NetworkOf(dir string) Network { return Network(digits(dir, 8)) }

var networkName = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Valid says whether n can name what Linux limits to 15 characters.
func (n Network) Valid() bool { return networkName.MatchString(string(n)) }

// digits are the first of the hash of text.
func digits(text string, count int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:count]
}

// Bridge is the name of the bridge that all nodes are plugged into.
func (n Network) Bridge() string { return "hansa-" + string(n) }

// linkPrefix begins the names of the machine's ends of all cables.
func (n Network) linkPrefix() string { return "h" + string(n) + "-" }

// Link is the name of the machine's end of a node's cable.
func (n Network) Link(node string) string { return n.linkPrefix() + digits(node, 5) }

// Ranges are the addresses that one member brings to its network.
type Ranges struct {
	// Gateway is the machine's address, with the length of the range of nodes and pods.
	Gateway netip.Prefix
	// Service is the range of the member's ClusterIPs.
	Service netip.Prefix
}

// Join makes the bridge, unless it is there, and gives the machine its address in
// the member's ranges. It refuses ranges that the machine reaches elsewhere, and then
// makes nothing.
func (n Network) Join(r Ranges) error {
	if err := n.CheckFree(r.Gateway.Masked(), r.Service); err != nil {
		return err
	}
	bridge, err := n.ensureBridge()
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(bridge, &netlink.Addr{IPNet: ipNet(r.Gateway)}); err != nil {
		return fmt.Errorf("give bridge %s the address %s: %w", n.Bridge(), r.Gateway, err)
	}
	route := &netlink.Route{
		LinkIndex: bridge.Attrs().Index, Dst: ipNet(r.Service), Scope: netlink.SCOPE_LINK, Src: r.Gateway.Addr().AsSlice(),
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s to bridge %s: %w", r.Service, n.Bridge(), err)
	}
	return nil
}

func (n Network) ensureBridge() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.Bridge()
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !isExisting(err) {
		return nil, fmt.Errorf("make bridge %s: %w", attrs.Name, err)
	}
	bridge, err := netlink.LinkByName(attrs.Name)
	if err != nil {
		return nil, fmt.Errorf("find bridge %s: %w", attrs.Name, err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("start bridge %s: %w", attrs.Name, err)
	}
	return bridge, nil
}

// CheckFree fails when another device of the machine than the network's bridge
// leads to one of the ranges.
func (n Network) CheckFree(ranges ...netip.Prefix) error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list the routes of this machine: %w", err)
	}
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		found, err := netip.ParsePrefix(route.Dst.String())
		device := deviceName(route.LinkIndex)
		if err != nil || found.Bits() == 0 || device == n.Bridge() {
			continue
		}
		if i := slices.IndexFunc(ranges, found.Overlaps); i >= 0 {
			return fmt.Errorf("range %s overlaps %s, which this machine reaches by device %s: stop what uses that", ranges[i], found, device)
		}
	}
	return nil
}

func deviceName(index int) string {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return fmt.Sprint(index)
	}
	return link.Attrs().Name
}

// Plug lays a cable from the bridge into the network namespace of process pid,
// where it is eth0.
func (n Network) Plug(node string, pid int) error {
	if err := n.removeLinks(func(name string) bool { return name == n.Link(node) }); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(n.Bridge())
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", n.Bridge(), err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = n.Link(node), bridge.Attrs().Index
	cable := &netlink.Veth{
		LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid), PeerHardwareAddr: hardwareAddress(string(n) + node),
	}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("plug node %s into bridge %s: %w", node, n.Bridge(), err)
	}
	return n.SetLink(node, true)
}

// hardwareAddress is the same in every life of a node, so that others find it again
// at once. Its first byte says that nobody assigned it.
func hardwareAddress(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(name))
	return append(net.HardwareAddr{0x02}, sum[:5]...)
}

// SetLink cuts a node off from everything, or ends the cut.
func (n Network) SetLink(node string, up bool) error {
	link, err := netlink.LinkByName(n.Link(node))
	if err != nil {
		return fmt.Errorf("find the link of node %s: %w", node, err)
	}
	set := netlink.LinkSetDown
	if up {
		set = netlink.LinkSetUp
	}
	if err := set(link); err != nil {
		return fmt.Errorf("switch the link of node %s: %w", node, err)
	}
	return nil
}

// removeLinks removes the machine's ends of cables, and with them the cables.
func (n Network) removeLinks(which func(name string) bool) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list network devices: %w", err)
	}
	for _, link := range links {
		if !which(link.Attrs().Name) {
			continue
		}
		if err := netlink.LinkDel(link); err != nil && !isMissing(err) {
			return fmt.Errorf("remove network device %s: %w", link.Attrs().Name, err)
		}
	}
	return nil
}

// Leave takes the member's address off the bridge, and removes the bridge when
// no other member has one there.
func (n Network) Leave(r Ranges) error {
	bridge, err := netlink.LinkByName(n.Bridge())
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", n.Bridge(), err)
	}
	err = netlink.AddrDel(bridge, &netlink.Addr{IPNet: ipNet(r.Gateway)})
	if err != nil && !isMissing(err) {
		return fmt.Errorf("take address %s off bridge %s: %w", r.Gateway, n.Bridge(), err)
	}
	left, err := netlink.AddrList(bridge, netlink.FAMILY_V4)
	if err != nil || len(left) > 0 {
		return err
	}
	return n.removeLinks(func(name string) bool { return name == n.Bridge() })
}

func isMissing(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none) || errors.Is(err, errNoDevice) || errors.Is(err, errNoAddress)
}
