package containerd

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
)

// plan says which addresses the nodes of a member have. Of the member's range of
// pods, the first 256 are for the machine and the nodes, and each node has the next
// 256 for its pods.
type plan struct {
	pods, services netip.Prefix
}

func newPlan(c config.Config) (plan, error) {
	pods, err := netip.ParsePrefix(c.PodCIDR)
	if err != nil {
		return plan{}, fmt.Errorf("parse podCIDR: %w", err)
	}
	services, err := netip.ParsePrefix(c.ServiceCIDR)
	if err != nil {
		return plan{}, fmt.Errorf("parse serviceCIDR: %w", err)
	}
	return plan{pods: pods, services: services}, nil
}

// ranges are what the member brings to its network.
func (p plan) ranges() host.Ranges {
	return host.Ranges{Gateway: netip.PrefixFrom(p.gateway(), p.pods.Bits()), Service: p.services}
}

// gateway is the machine's address as nodes and pods see it.
func (p plan) gateway() netip.Addr { return p.pods.Addr().Next() }

// node is the address of node i.
func (p plan) node(i int) netip.Prefix {
	return netip.PrefixFrom(plus(p.pods.Addr(), 2+i), p.pods.Bits())
}

// podsOf is the range of the pods of node i.
func (p plan) podsOf(i int) netip.Prefix {
	return netip.PrefixFrom(plus(p.pods.Addr(), 256*(1+i)), 24)
}

func plus(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	sum := uint32(b[0])<<24 + uint32(b[1])<<16 + uint32(b[2])<<8 + uint32(b[3]) + uint32(n)
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// NodeName names the nodes of a member, counted from 0.
func NodeName(member string, number int) string {
	return member + "-node-" + strconv.Itoa(number)
}
