package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

func fromBusUser(u federation.BusUser) *BusUser {
	if u == (federation.BusUser{}) {
		return nil
	}
	return &BusUser{Key: u.Key, IssuedAt: fromTime(u.IssuedAt), ExpiresAt: fromTime(u.ExpiresAt)}
}

func toBusUser(m *BusUser) federation.BusUser {
	return federation.BusUser{Key: m.GetKey(), IssuedAt: toTime(m.GetIssuedAt()), ExpiresAt: toTime(m.GetExpiresAt())}
}

// EncodeRotation writes a Rotation.
func EncodeRotation(r federation.Rotation) []byte {
	return encode(&Rotation{
		Member: r.Member, Incarnation: uint64(r.Incarnation), Sequence: r.Sequence, ClusterId: r.ClusterID,
		Key: r.Key, NewKey: r.NewKey, At: fromTime(r.At), Signature: r.Signature,
	})
}

// DecodeRotation reads what EncodeRotation wrote.
func DecodeRotation(b []byte) (federation.Rotation, error) {
	return decode("rotation", b, &Rotation{}, func(m *Rotation) (federation.Rotation, error) {
		return federation.Rotation{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(), ClusterID: m.GetClusterId(),
			Key: m.GetKey(), NewKey: m.GetNewKey(), At: toTime(m.GetAt()), Signature: m.GetSignature(),
		}, named("member", m.GetMember())
	})
}

// EncodeRotationReply writes a RotationReply.
func EncodeRotationReply(r federation.RotationReply) []byte {
	return encode(&RotationReply{UserJwt: r.UserJWT})
}

// DecodeRotationReply reads what EncodeRotationReply wrote.
func DecodeRotationReply(b []byte) (federation.RotationReply, error) {
	return decode("rotation reply", b, &RotationReply{}, func(m *RotationReply) (federation.RotationReply, error) {
		return federation.RotationReply{UserJWT: m.GetUserJwt()}, named("user JWT", m.GetUserJwt())
	})
}

// EncodeRotated writes a Rotated.
func EncodeRotated(r federation.Rotated) []byte {
	return encode(&Rotated{Member: r.Member, Incarnation: uint64(r.Incarnation), Sequence: r.Sequence, User: fromBusUser(r.User)})
}

// DecodeRotated reads what EncodeRotated wrote.
func DecodeRotated(b []byte) (federation.Rotated, error) {
	return decode("rotated", b, &Rotated{}, func(m *Rotated) (federation.Rotated, error) {
		return federation.Rotated{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(), User: toBusUser(m.GetUser()),
		}, named("user key", m.GetUser().GetKey())
	})
}

// EncodeRotationOrder writes a RotationOrder.
func EncodeRotationOrder(o federation.RotationOrder) []byte {
	return encode(&RotationOrder{Member: o.Member, Key: o.Key})
}

// DecodeRotationOrder reads what EncodeRotationOrder wrote.
func DecodeRotationOrder(b []byte) (federation.RotationOrder, error) {
	return decode("rotation order", b, &RotationOrder{}, func(m *RotationOrder) (federation.RotationOrder, error) {
		return federation.RotationOrder{Member: m.GetMember(), Key: m.GetKey()}, named("member", m.GetMember())
	})
}
