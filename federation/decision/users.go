package decision

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Times of the users with which agents are on the bus.
const (
	// rotateWithin is how long an agent has to replace its user when an operator wants
	// it to, and rotateAgain how often it is told meanwhile.
	rotateWithin = time.Minute
	rotateAgain  = 5 * time.Second
	// graceAfter is for how long after the end of its user an agent may still get
	// another by the key of that one.
	graceAfter = 90 * 24 * time.Hour
	// skewLimit is how far the clocks of hub and agent may be apart then.
	skewLimit = time.Minute
	// rivalFor is for how long nobody but the owner of a key that was signed gets
	// another one signed: an agent keeps the key that it asks for until it is answered,
	// so a second key is likely that of a second agent.
	rivalFor = time.Hour
)

// userWatch is what the machine remembers of a member's users beside the record.
type userWatch struct {
	orderedAt time.Time       // when the agent was last told to rotate
	ending    map[string]bool // by key, those the bus is told to refuse; true: it does
	rival     string          // the key of a second agent that was told
}

// endUsers has the bus refuse the users that have ended, and writes down that it does.
func (m *Machine) endUsers(mem *member) {
	var left, done []string
	for _, key := range mem.spec.stored.EndedUsers {
		ended, asked := mem.user.ending[key]
		if ended {
			done = append(done, key)
			continue
		}
		left = append(left, key)
		if !asked {
			if mem.user.ending == nil {
				mem.user.ending = map[string]bool{}
			}
			mem.user.ending[key] = false
			m.emit(EndUser{Member: mem.name, Account: mem.spec.stored.Account, Key: key})
		}
	}
	if len(done) == 0 || mem.spec.busy() {
		return // looked at again after the write
	}
	spec := mem.spec.stored
	spec.EndedUsers = left
	m.putSpec(mem, spec)
}

// userEnded: the bus refuses the user from now on.
func (m *Machine) userEnded(ev UserEnded) {
	if mem, ok := m.members[ev.Member]; ok && mem.user.ending != nil {
		mem.user.ending[ev.Key] = true
		m.membersIn(0)
	}
}

// orderRotation tells the agent to replace its user while an operator wants it to, and
// ends the user when the time for it is over.
func (m *Machine) orderRotation(mem *member) {
	spec := mem.spec.stored
	switch by := spec.RotateBy; {
	case by.IsZero():
		mem.user.orderedAt = time.Time{}
	case m.now.Before(by):
		if m.now.Sub(mem.user.orderedAt) >= rotateAgain {
			mem.user.orderedAt = m.now
			m.emit(OrderRotation{Account: spec.Account, Order: federation.RotationOrder{Member: mem.name, Key: spec.User.Key}})
		}
		m.membersIn(min(rotateAgain, by.Sub(m.now)))
	case !mem.spec.busy():
		spec, text := promoted(spec), mem.name+" did not replace its credentials in time: the old ones end"
		if spec.User.Key == "" {
			text += ", and it has to join again with a new token: hansa token create --member " + mem.name
		}
		m.putSpec(mem, spec)
		m.note("Credentials", "member/"+mem.name, text)
	}
}

// promoted is the record when the next user takes the place of the present one, which
// ends.
func promoted(spec federation.MemberSpec) federation.MemberSpec {
	if spec.User.Key != "" {
		spec.EndedUsers = append(slices.Clone(spec.EndedUsers), spec.User.Key)
	}
	spec.User, spec.NextUser, spec.RotateBy = spec.NextUser, federation.BusUser{}, time.Time{}
	return spec
}

// userSigned hands a new user out once the record names it.
func (m *Machine) userSigned(ev UserSigned) {
	mem := m.steady(ev.Request, ev.Rotation.Member, ev.Rotation.Member+" is no member any more: join again with a new token")
	if mem == nil {
		return
	}
	if no := m.unwilling(mem, ev); no != nil {
		m.emit(Reply{Request: ev.Request, Refusal: no})
		return
	}
	spec, r := mem.spec.stored, ev.Rotation
	switch {
	case spec.User.Key == "": // its agent was too old to tell
		spec.User.Key = r.Key
	case spec.NextUser.Key == r.Key: // it uses that already, and has not said so
		spec = promoted(spec)
	}
	if spec.NextUser.Key != "" && spec.NextUser.Key != r.NewKey {
		spec.EndedUsers = append(slices.Clone(spec.EndedUsers), spec.NextUser.Key)
	}
	spec.NextUser = ev.User
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
}

// unwilling says why the agent does not get the user; nil when it does.
func (m *Machine) unwilling(mem *member, ev UserSigned) *Refusal {
	spec, r := mem.spec.stored, ev.Rotation
	deny := func(kind, format string, args ...any) *Refusal {
		return &Refusal{Kind: kind, Text: fmt.Sprintf("new credentials for %s: ", mem.name) + fmt.Sprintf(format, args...)}
	}
	switch known := r.Key != "" && (r.Key == spec.User.Key || r.Key == spec.NextUser.Key); {
	case spec.ClusterID != "" && r.ClusterID != spec.ClusterID:
		return deny("Denied", "another cluster has this name: join under another")
	case slices.Contains(spec.EndedUsers, r.Key), ev.OffBus && !known:
		return deny("Denied", "those that the agent has were replaced or revoked: join again with a new token")
	case ev.OffBus && m.now.Sub(r.At).Abs() > skewLimit:
		return deny("Denied", "the clock of the agent is %s off: set it", m.now.Sub(r.At).Abs().Round(time.Second))
	case ev.OffBus && m.now.Sub(spec.User.ExpiresAt) > graceAfter:
		return deny("Denied", "the last ones ended at %s, too long ago: join again with a new token", spec.User.ExpiresAt.UTC().Format(time.RFC3339))
	case r.NewKey == r.Key, r.NewKey == spec.User.Key, slices.Contains(spec.EndedUsers, r.NewKey):
		return deny("Invalid", "the new key was used before: make another")
	case r.Key == spec.User.Key && spec.RotateBy.IsZero() && early(m.now, spec.User):
		return deny("Refused", "the last ones hold until %s: ask later", spec.User.ExpiresAt.UTC().Format(time.RFC3339))
	case spec.NextUser.Key != "" && r.NewKey != spec.NextUser.Key && r.Key != spec.NextUser.Key && m.now.Sub(spec.NextUser.IssuedAt) < rivalFor:
		m.noteRival(mem, r)
		return deny("Refused", "another key got some at %s and has not used them: there may be two agents with one identity", spec.NextUser.IssuedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// early reports whether two thirds of the user's life are left.
func early(now time.Time, u federation.BusUser) bool {
	return !u.ExpiresAt.IsZero() && 3*u.ExpiresAt.Sub(now) > 2*u.ExpiresAt.Sub(u.IssuedAt)
}

// noteRival tells once that two agents ask for credentials.
func (m *Machine) noteRival(mem *member, r federation.Rotation) {
	if mem.user.rival == r.NewKey {
		return
	}
	mem.user.rival = r.NewKey
	m.note("Credentials", "member/"+mem.name, fmt.Sprintf(
		"two agents ask for new credentials of %s: if there is only one, its identity was copied: hansa leave %s --forget, and join again with a new token", mem.name, mem.name))
}

// userUsed: the agent is on the bus with this user; the one before it ends.
func (m *Machine) userUsed(ev UserUsed) {
	mem := m.steady(ev.Request, ev.Used.Member, neverJoined(ev.Used.Member))
	if mem == nil {
		return
	}
	spec, u := mem.spec.stored, ev.Used.User
	switch {
	case slices.Contains(spec.EndedUsers, u.Key), u.Key != spec.User.Key && u.Key != spec.NextUser.Key && u.IssuedAt.Before(spec.User.IssuedAt):
		m.refuse(ev.Request, "Denied", fmt.Sprintf("the credentials of %s were replaced: these end", mem.name))
		return
	case spec.User.Key == u.Key && !spec.User.ExpiresAt.IsZero():
		m.reply(ev.Request, spec)
		return
	case spec.NextUser.Key == u.Key:
		spec = promoted(spec)
		m.note("Credentials", "member/"+mem.name, fmt.Sprintf("%s has new credentials, until %s", mem.name, spec.User.ExpiresAt.UTC().Format(time.RFC3339)))
	default: // the record is older than the agent: the bus let it in, so it is right
		spec.User = u
	}
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
}

// rotate has the agent of a member replace its user now.
func (m *Machine) rotate(ev MemberCommand, mem *member) {
	spec := mem.spec.stored
	if spec.User.Key == "" {
		m.refuse(ev.Request, "Refused", fmt.Sprintf("the agent of %s has not said which credentials it has: it is too old, or was not heard yet", mem.name))
		return
	}
	spec.RotateBy = m.now.Add(rotateWithin)
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
	m.record("Credentials", mem, ev.Change)
}
