package guard

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

// askPeersEvery is how often the peers are asked while no hub answers.
const askPeersEvery = time.Second

// round is one asking of the peers, which counts when all of them attest.
type round struct {
	sequence uint64
	sent     time.Time
	left     map[string]bool // peers that have not answered
	claims   map[federation.Key]federation.Epoch
	next     time.Time // when the next one begins
}

// learnPeers takes the peers that came with a grant. A hub that names none is too old to
// know whom this member asked, so it asks nobody.
func (m *Machine) learnPeers(p federation.Peers) {
	if p.Version == 0 || p.Version > m.peers.Version {
		m.peers = p
	}
}

// stepPeers asks the peers for what runs here while no hub is heard.
func (m *Machine) stepPeers() {
	if !m.asks() {
		m.asking = round{}
		return
	}
	if m.now.Before(m.asking.next) {
		return
	}
	m.said++
	r := round{sequence: m.said, sent: m.now, left: map[string]bool{}, claims: map[federation.Key]federation.Epoch{}, next: m.now.Add(askPeersEvery)}
	ask := AskPeers{Sequence: r.sequence, Peers: m.peers.Members}
	for _, l := range m.running() {
		r.claims[l.Workload] = l.Epoch
		ask.Claims = append(ask.Claims, federation.Attestation{Workload: l.Workload, Epoch: l.Epoch})
	}
	for _, p := range m.peers.Members {
		r.left[p.Member] = true
	}
	m.asking = r
	m.out = append(m.out, ask)
}

// asks reports whether there is somebody to ask, and something to ask for.
func (m *Machine) asks() bool {
	return m.Isolated() && len(m.peers.Members) > 0 && belongs(m.health) && len(m.running()) > 0
}

// peersAt is when stepPeers has something to do; zero when it has not.
func (m *Machine) peersAt() time.Time {
	switch {
	case !m.asking.next.IsZero():
		return m.asking.next
	case len(m.peers.Members) > 0 && !m.Isolated() && len(m.running()) > 0:
		return m.heardAt.Add(isolatedAfter + time.Millisecond)
	}
	return time.Time{}
}

// peerAnswered goes on with what all peers of the round attest.
func (m *Machine) peerAnswered(ev PeerAnswered) {
	r := m.asking
	if ev.Sequence != r.sequence || !r.left[ev.Peer] {
		return
	}
	delete(r.left, ev.Peer)
	maps.DeleteFunc(r.claims, func(k federation.Key, epoch federation.Epoch) bool {
		return !slices.Contains(ev.Reply.Attested, federation.Attestation{Workload: k, Epoch: epoch})
	})
	if len(r.left) > 0 {
		return
	}
	for k, epoch := range r.claims {
		if it := m.items[k]; it != nil && it.Phase == holding && it.lease.running && it.Epoch == epoch {
			it.lease.Attest(m.now, r.sent)
		}
	}
}

// attest answers a peer that no hub answers. What this member is to run itself, it does
// not attest; nor anything while it may have heard a hub that gave it away.
func (m *Machine) attest(ev AttestAsked) {
	var reply federation.AttestReply
	for _, c := range ev.Ask.Claims {
		if why := m.own(c); why != "" {
			reply.Refused = append(reply.Refused, federation.AttestRefusal{Workload: c.Workload, Why: why})
		} else {
			reply.Attested = append(reply.Attested, c)
		}
	}
	m.out = append(m.out, Attested{Request: ev.Request, Reply: reply})
}

// own says why another member's claim is not attested; empty when it is.
func (m *Machine) own(c federation.Attestation) string {
	if silence := m.now.Sub(latest(m.heardAt, m.began)); silence < lease.SilentFor {
		return fmt.Sprintf("%s heard a hub %s ago, or began then", m.opts.Member, silence.Round(100*time.Millisecond))
	}
	it := m.items[c.Workload]
	if it == nil {
		return ""
	}
	epoch := it.Epoch
	if it.order != nil {
		epoch = max(epoch, it.order.Epoch)
	}
	switch {
	case it.Phase == holding && it.lease.running:
		return fmt.Sprintf("it runs in %s", m.opts.Member)
	case epoch > c.Epoch:
		return fmt.Sprintf("%s knows epoch %d of it", m.opts.Member, epoch)
	}
	return ""
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
