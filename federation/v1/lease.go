package federationv1

import (
	"errors"

	"github.com/hansa-io/hansa/federation"
)

// EncodeGrant writes a Grant.
func EncodeGrant(g federation.Grant) []byte {
	return encode(&Grant{Ttl: fromDuration(g.TTL), Denied: g.Denied, Peers: fromPeers(g.Peers)})
}

// DecodeGrant reads what EncodeGrant wrote.
func DecodeGrant(b []byte) (federation.Grant, error) {
	return decode("grant", b, &Grant{}, func(m *Grant) (federation.Grant, error) {
		return federation.Grant{TTL: toDuration(m.GetTtl()), Denied: m.GetDenied(), Peers: toPeers(m.GetPeers())}, nil
	})
}

func fromPeers(p federation.Peers) *Peers {
	if p.Version == 0 {
		return nil
	}
	return &Peers{Version: p.Version, Members: each(p.Members, func(p federation.Peer) *Peer { return &Peer{Member: p.Member, At: p.At} })}
}

func toPeers(m *Peers) federation.Peers {
	return federation.Peers{Version: m.GetVersion(), Members: each(m.GetMembers(), func(p *Peer) federation.Peer {
		return federation.Peer{Member: p.GetMember(), At: p.GetAt()}
	})}
}

func fromNamedPeers(p federation.NamedPeers) *NamedPeers {
	if p.Version == 0 {
		return nil
	}
	return &NamedPeers{Version: p.Version, Names: p.Names, Confirmed: p.Confirmed, Witnesses: p.Witnesses}
}

func toNamedPeers(m *NamedPeers) federation.NamedPeers {
	return federation.NamedPeers{Version: m.GetVersion(), Names: m.GetNames(), Confirmed: m.GetConfirmed(), Witnesses: m.GetWitnesses()}
}

// EncodeAttestRequest writes an AttestRequest.
func EncodeAttestRequest(r federation.AttestRequest) []byte {
	return encode(&AttestRequest{Member: r.Member, Claims: each(r.Claims, fromAttestation)})
}

// DecodeAttestRequest reads what EncodeAttestRequest wrote.
func DecodeAttestRequest(b []byte) (federation.AttestRequest, error) {
	return decode("attest request", b, &AttestRequest{}, func(m *AttestRequest) (federation.AttestRequest, error) {
		claims, err := toAttestations(m.GetClaims())
		return federation.AttestRequest{Member: m.GetMember(), Claims: claims}, errors.Join(err, named("member", m.GetMember()))
	})
}

// EncodeAttestReply writes an AttestReply.
func EncodeAttestReply(r federation.AttestReply) []byte {
	return encode(&AttestReply{Attested: each(r.Attested, fromAttestation), Refused: each(r.Refused, func(r federation.AttestRefusal) *AttestRefusal {
		return &AttestRefusal{Workload: fromKey(r.Workload), Why: r.Why}
	})})
}

// DecodeAttestReply reads what EncodeAttestReply wrote.
func DecodeAttestReply(b []byte) (federation.AttestReply, error) {
	return decode("attest reply", b, &AttestReply{}, func(m *AttestReply) (federation.AttestReply, error) {
		attested, err := toAttestations(m.GetAttested())
		return federation.AttestReply{Attested: attested, Refused: each(m.GetRefused(), func(r *AttestRefusal) federation.AttestRefusal {
			return federation.AttestRefusal{Workload: toKey(r.GetWorkload()), Why: r.GetWhy()}
		})}, err
	})
}

func fromAttestation(a federation.Attestation) *Attestation {
	return &Attestation{Workload: fromKey(a.Workload), Epoch: uint64(a.Epoch)}
}

func toAttestations(all []*Attestation) (out []federation.Attestation, err error) {
	for _, a := range all {
		key, err := toNamedKey(a.GetWorkload())
		if err != nil {
			return nil, err
		}
		out = append(out, federation.Attestation{Workload: key, Epoch: federation.Epoch(a.GetEpoch())})
	}
	return out, nil
}
