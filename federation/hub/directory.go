package hub

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/messaging"
)

// directory tells which member an account of the bus belongs to, and which reports of
// agents are news.
type directory struct {
	mu       sync.Mutex
	members  map[string]federation.MemberSpec // by name
	accounts map[string]string                // account → name
	joining  map[string]string                // cluster ID → the name under which it joins just now
	reports  decision.Reports
	stored   map[string]uint64 // record → digest of what the store has
	complete bool              // every member that there was when the term began is known
}

func newDirectory() *directory {
	return &directory{members: map[string]federation.MemberSpec{}, accounts: map[string]string{}, joining: map[string]string{}, stored: map[string]uint64{}}
}

func (d *directory) set(spec federation.MemberSpec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.members[spec.Name]; old.Account != spec.Account {
		delete(d.accounts, old.Account)
	}
	d.members[spec.Name] = spec
	d.reports.Joined(spec)
	d.accounts[spec.Account] = spec.Name
}

func (d *directory) remove(member string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.accounts, d.members[member].Account)
	delete(d.members, member)
	d.reports.Left(member)
}

// memberOf returns the member of the account.
func (d *directory) memberOf(account string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name, ok := d.accounts[account]
	return name, ok
}

// completed notes that every member is known.
func (d *directory) completed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete = true
}

func (d *directory) whole() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.complete
}

// accountOf returns the account of the member.
func (d *directory) accountOf(member string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	spec, ok := d.members[member]
	return spec.Account, ok
}

// everyMember returns the account of each member that has one, by name.
func (d *directory) everyMember() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]string, len(d.members))
	for name, spec := range d.members {
		if spec.Account != "" {
			out[name] = spec.Account
		}
	}
	return out
}

// everySpec lists the records of all members, in no order.
func (d *directory) everySpec() []federation.MemberSpec {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.members))
}

var errUnread = messaging.Errorf(messaging.Unavailable, "the hub has not read all members yet: ask again")

// claim gives a cluster to one name until disclaim is called, unless it has another or is
// getting it, and returns the name that it has then.
func (d *directory) claim(cluster, name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, taken := d.joining[cluster]; taken {
		return other
	}
	for _, spec := range d.members {
		if spec.ClusterID == cluster && spec.Name != name {
			return spec.Name
		}
	}
	d.joining[cluster] = name
	return name
}

func (d *directory) disclaim(cluster string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.joining, cluster)
}

// own checks that what arrived under account speaks about its own member.
func (d *directory) own(account, member string) error {
	whole := d.whole() // asked first: all may be read in between
	name, ok := d.memberOf(account)
	switch {
	case !ok && !whole:
		return errUnread
	case !ok || name != member:
		return messaging.Errorf(messaging.Denied, "account %s speaks about member %q, which is not its own", account, member)
	}
	return nil
}

// leaves notes that a member is being removed, or, after all, is not.
func (d *directory) leaves(member string, leaves bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reports.Leaves(member, leaves)
}

// refuses reports whether nothing of the member may be stored: it is none, or leaves.
func (d *directory) refuses(member string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reports.Refuses(member)
}

// admit reports whether a member's report is newer than every earlier one of its
// record, and remembers it then.
func (d *directory) admit(member, record string, o decision.Order) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reports.Admit(member, record, o)
}

// has reports whether the store has exactly that in the record's place, as it has of most
// that agents tell a new leader: all again.
func (d *directory) has(record string, value []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	digest, known := d.stored[record]
	return known && digest == maphash.Bytes(digests, value)
}

// holds notes what the store has in a record's place; nil for nothing.
func (d *directory) holds(record string, value []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if value == nil {
		delete(d.stored, record)
		return
	}
	d.stored[record] = maphash.Bytes(digests, value)
}

var digests = maphash.MakeSeed()

// retract takes back the admission of a report that could not be stored.
func (d *directory) retract(member, record string, o decision.Order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reports.Retract(member, record, o)
}
