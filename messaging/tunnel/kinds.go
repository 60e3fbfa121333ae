package tunnel

import "github.com/hansa-io/hansa/messaging"

// kinds is the table of the codes that abort a stream; code 0 is a plain close. Other
// versions depend on the order.
var kinds = []messaging.Kind{
	"", messaging.Invalid, messaging.NotFound, messaging.Exists, messaging.Conflict, messaging.Refused,
	messaging.Denied, messaging.Unavailable, messaging.InternalKind,
}

func codeOf(kind messaging.Kind) uint32 {
	for code, k := range kinds {
		if k == kind && code > 0 {
			return uint32(code)
		}
	}
	return codeOf(messaging.InternalKind)
}

func kindOf(code uint32) messaging.Kind {
	if code == 0 || int64(code) >= int64(len(kinds)) {
		return messaging.InternalKind
	}
	return kinds[code]
}

// known maps a kind that came over the wire to one of the closed set.
func known(kind string) messaging.Kind { return kindOf(codeOf(messaging.Kind(kind))) }
