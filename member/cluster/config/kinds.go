package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Numbers are how many nodes of each kind there are.
func (n Nodes) Numbers() (containerd, simulated int) {
	if n.Kind == KindContainerd {
		return n.Count, n.Simulated
	}
	return 0, n.Count
}

// Total is how many nodes there are.
func (n Nodes) Total() int { return n.Count + n.Simulated }

// SimulatedRange is the part of podCIDR for simulated nodes and their pods: all of it,
// or the upper half where containerd nodes have the lower one.
func (c Config) SimulatedRange() (netip.Prefix, error) {
	all, err := netip.ParsePrefix(c.PodCIDR)
	if err != nil {
		return all, fmt.Errorf("parse podCIDR: %w", err)
	}
	if c.Nodes.Kind != KindContainerd {
		return all, nil
	}
	return upperHalf(all), nil
}

// upperHalf of an IPv4 range; what is none, or cannot be halved, stays as it is, for
// Validate to refuse.
func upperHalf(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4() || p.Bits() >= 32 {
		return p
	}
	b := p.Addr().As4()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	return netip.PrefixFrom(netip.AddrFrom4(b), p.Bits()+1)
}

// Ask is what a command line wants of the nodes. The zero value wants what the file
// says.
type Ask struct {
	kind             string
	count, simulated int
}

// ParseAsk reads a kind, "containerd" or "simulated", of which there are as many as
// the file says, or kinds with numbers: "containerd=2,simulated=100".
func ParseAsk(text string) (Ask, error) {
	numbers := map[string]int{}
	for part := range strings.SplitSeq(text, ",") {
		kind, number, counted := strings.Cut(part, "=")
		n, err := strconv.Atoi(number)
		_, twice := numbers[kind]
		switch {
		case text == "":
			return Ask{}, nil
		case kind != KindSimulated && kind != KindContainerd, twice, counted && (err != nil || n < 1), !counted && part != text:
			return Ask{}, fmt.Errorf("%q: want %s, %s, or numbers such as %s=2,%s=100", text, KindSimulated, KindContainerd, KindContainerd, KindSimulated)
		}
		numbers[kind] = n
	}
	if n, ok := numbers[KindContainerd]; ok {
		return Ask{kind: KindContainerd, count: n, simulated: numbers[KindSimulated]}, nil
	}
	return Ask{kind: KindSimulated, count: numbers[KindSimulated]}, nil
}

// Kind is the wanted kind of Nodes.Kind; empty: that of the file.
func (a Ask) Kind() string { return a.kind }

// Counted reports whether numbers are wanted, too.
func (a Ask) Counted() bool { return a.count > 0 }

// Of returns the nodes as they are wanted.
func (a Ask) Of(n Nodes) Nodes {
	if a.kind == "" {
		return n
	}
	n.Kind, n.Count, n.Simulated = a.kind, or(a.count, n.Count), a.simulated
	return n
}
