package decision

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// userLife is how long the users of a scenario hold.
const userLife = 90 * time.Second

// rotateOption changes a request for a user by one word of a scenario.
func (r *rig) rotateOption(ev *UserSigned, word string) {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "offbus":
		ev.OffBus = true
	case "skew":
		ev.Rotation.At = r.now.Add(r.duration(value))
	case "cluster":
		ev.Rotation.ClusterID = value
	default:
		r.t.Fatalf("rotate: no option %q", word)
	}
}

// cmdRotate: the agent with a key asks for a user with another.
func (r *rig) cmdRotate(args []string) {
	r.asked++
	ev := UserSigned{
		Request:  r.asked,
		Rotation: federation.Rotation{Member: args[0], ClusterID: "id-" + args[0], Key: args[1], NewKey: args[2], At: r.now},
		User:     federation.BusUser{Key: args[2], IssuedAt: r.now, ExpiresAt: r.now.Add(userLife)},
	}
	for _, word := range args[3:] {
		r.rotateOption(&ev, word)
	}
	r.step(ev)
}

// cmdUsing: an agent is on the bus with a user that was issued a while ago.
func (r *rig) cmdUsing(args []string) {
	r.asked++
	issued := r.now
	if len(args) > 2 {
		issued = r.now.Add(-r.duration(args[2]))
	}
	r.step(UserUsed{r.asked, federation.Rotated{Member: args[0], User: federation.BusUser{Key: args[1], IssuedAt: issued, ExpiresAt: issued.Add(userLife)}}})
}

// endUser has the bus refuse a user; a fault "users" loses that for ever, as a hub does
// that ends.
func (r *rig) endUser(e EndUser) {
	if r.takeFault("users") != "" {
		r.logf("the end of user %s of %s is lost", e.Key, e.Member)
		return
	}
	r.logf("end user %s of %s", e.Key, e.Member)
	r.soon(UserEnded{e.Member, e.Key})
}

// showUsers tells the users of each member's record.
func (r *rig) showUsers() {
	tell := func(u federation.BusUser) string {
		if u.Key == "" {
			return "none"
		}
		return fmt.Sprintf("%s until %s", u.Key, u.ExpiresAt.Sub(epochStart))
	}
	for _, name := range sortedNames(r.m.members) {
		s := r.m.members[name].spec.stored
		r.logf("%s has user %s, next %s, ended %v, rotates %v", name, tell(s.User), tell(s.NextUser), s.EndedUsers, !s.RotateBy.IsZero())
	}
}
