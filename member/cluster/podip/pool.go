package podip

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrFull means that every address of the range is taken.
var ErrFull = errors.New("no free address")

// Pool shares out an IPv4 range: the first addresses to nodes, by number, and
// the rest to pods, by a key of the owner's choice.
//
// Laws: an address has at most one key; a key has at most one address; network
// and broadcast address are given to nobody; the search for a free address goes
// on after the last one given, and begins anew only at the end of the range.
type Pool struct {
	prefix netip.Prefix
	first  netip.Addr // first address for pods
	last   netip.Addr // last address for pods

	mu     sync.Mutex
	next   netip.Addr // where the next search begins
	owners map[netip.Addr]string
	held   map[string]netip.Addr
}

// NewPool divides prefix, which must be a masked IPv4 range with room for the
// nodes.
func NewPool(prefix netip.Prefix, nodes int) *Pool {
	p := &Pool{
		prefix: prefix,
		first:  offset(prefix.Addr(), nodes+1),
		last:   offset(prefix.Addr(), 1<<(32-prefix.Bits())-2),
		owners: map[netip.Addr]string{},
		held:   map[string]netip.Addr{},
	}
	p.next = p.first
	return p
}

// Node returns the address of the node with the given number, counted from 0.
func (p *Pool) Node(number int) netip.Addr {
	return offset(p.prefix.Addr(), number+1)
}

// Take returns the address of key, choosing a free one the first time.
func (p *Pool) Take(key string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address, ok := p.held[key]; ok {
		return address, nil
	}
	for range p.size() {
		address := p.next
		p.advance()
		if _, taken := p.owners[address]; !taken {
			p.assign(key, address)
			return address, nil
		}
	}
	return netip.Addr{}, ErrFull
}

// Mark notes that key has address already. It reports false, and changes
// nothing, when the address is outside the pods' part or another key has it,
// or the key has another.
func (p *Pool) Mark(key string, address netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address.Compare(p.first) < 0 || address.Compare(p.last) > 0 {
		return false
	}
	owner, taken := p.owners[address]
	held, holds := p.held[key]
	if taken || holds {
		return owner == key && held == address
	}
	p.assign(key, address)
	return true
}

// Free gives back the address of key, if it has one.
func (p *Pool) Free(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if address, ok := p.held[key]; ok {
		delete(p.held, key)
		delete(p.owners, address)
	}
}

func (p *Pool) assign(key string, address netip.Addr) {
	p.owners[address] = key
	p.held[key] = address
}

func (p *Pool) advance() {
	if p.next == p.last {
		p.next = p.first
		return
	}
	p.next = p.next.Next()
}

func (p *Pool) size() int {
	return int(number(p.last)) - int(number(p.first)) + 1
}

func offset(base netip.Addr, by int) netip.Addr {
	n := number(base) + uint32(by)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func number(address netip.Addr) uint32 {
	b := address.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
