package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

func fromSealed(s federation.Sealed) *Sealed {
	if s.Box == nil {
		return nil
	}
	return &Sealed{Recipient: s.Recipient, Sender: s.Sender, Box: s.Box}
}

func toSealed(m *Sealed) federation.Sealed {
	return federation.Sealed{Recipient: m.GetRecipient(), Sender: m.GetSender(), Box: m.GetBox()}
}

// EncodeSecrets writes a Secrets: the plaintext that is then sealed. It is not
// compressed, since the length of what is compressed tells about it.
func EncodeSecrets(s federation.Secrets) []byte {
	return encode(&Secrets{
		Member: s.Member, Workload: fromKey(s.Workload), Epoch: uint64(s.Epoch), WorkloadRevision: uint64(s.WorkloadRevision),
		Objects: each(s.Objects, fromObject),
	})
}

// DecodeSecrets reads what EncodeSecrets wrote.
func DecodeSecrets(b []byte) (federation.Secrets, error) {
	return decode("secrets", b, &Secrets{}, func(m *Secrets) (federation.Secrets, error) {
		key, err := toNamedKey(m.GetWorkload())
		if err != nil {
			return federation.Secrets{}, err
		}
		return federation.Secrets{
			Member: m.GetMember(), Workload: key, Epoch: federation.Epoch(m.GetEpoch()),
			WorkloadRevision: federation.Revision(m.GetWorkloadRevision()), Objects: each(m.GetObjects(), toObject),
		}, nil
	})
}

// EncodeSealKeysRequest writes the question for a SealKeys.
func EncodeSealKeysRequest(struct{}) []byte { return encode(&SealKeysRequest{}) }

// DecodeSealKeysRequest reads what EncodeSealKeysRequest wrote.
func DecodeSealKeysRequest(b []byte) (struct{}, error) {
	return decode("seal keys request", b, &SealKeysRequest{}, func(*SealKeysRequest) (struct{}, error) { return struct{}{}, nil })
}

// EncodeSealKeys writes a SealKeys.
func EncodeSealKeys(k federation.SealKeys) []byte {
	return encode(&SealKeysReply{Key: k.Key, DigestKey: k.Digest})
}

// DecodeSealKeys reads what EncodeSealKeys wrote.
func DecodeSealKeys(b []byte) (federation.SealKeys, error) {
	return decode("seal keys", b, &SealKeysReply{}, func(m *SealKeysReply) (federation.SealKeys, error) {
		return federation.SealKeys{Key: m.GetKey(), Digest: m.GetDigestKey()}, named("key", m.GetKey())
	})
}

// EncodeSealOffer writes a SealOffer.
func EncodeSealOffer(o federation.SealOffer) []byte {
	return encode(&SealOffer{Member: o.Member, Incarnation: uint64(o.Incarnation), Sequence: o.Sequence, Key: o.Key})
}

// DecodeSealOffer reads what EncodeSealOffer wrote.
func DecodeSealOffer(b []byte) (federation.SealOffer, error) {
	return decode("seal offer", b, &SealOffer{}, func(m *SealOffer) (federation.SealOffer, error) {
		return federation.SealOffer{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(), Key: m.GetKey(),
		}, named("member", m.GetMember())
	})
}

// EncodeSealReply writes a SealReply.
func EncodeSealReply(r federation.SealReply) []byte { return encode(&SealReply{Settled: r.Settled}) }

// DecodeSealReply reads what EncodeSealReply wrote.
func DecodeSealReply(b []byte) (federation.SealReply, error) {
	return decode("seal reply", b, &SealReply{}, func(m *SealReply) (federation.SealReply, error) {
		return federation.SealReply{Settled: m.GetSettled()}, nil
	})
}
