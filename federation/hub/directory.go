package hub

import (
	"sync"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// directory tells which member an account of the bus belongs to, and remembers
// for each record of agents the newest report, so that a late or repeated one
// does not overwrite it.
type directory struct {
	mu       sync.Mutex
	members  map[string]federation.MemberSpec // by name
	accounts map[string]string                // account → name
	newest   map[string]order                 // record → newest report
}

// order is the place of a report in its agent's history.
type order struct {
	incarnation federation.Incarnation
	sequence    uint64
}

func newDirectory() *directory {
	return &directory{members: map[string]federation.MemberSpec{}, accounts: map[string]string{}, newest: map[string]order{}}
}

func (d *directory) set(spec federation.MemberSpec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members[spec.Name] = spec
	d.accounts[spec.Account] = spec.Name
}

func (d *directory) remove(member string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.accounts, d.members[member].Account)
	delete(d.members, member)
}

// memberOf returns the member of the account.
func (d *directory) memberOf(account string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name, ok := d.accounts[account]
	return name, ok
}

// accountOf returns the account of the member.
func (d *directory) accountOf(member string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	spec, ok := d.members[member]
	return spec.Account, ok
}

// everyAccount lists the accounts of all members, in no order.
func (d *directory) everyAccount() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, 0, len(d.accounts))
	for account := range d.accounts {
		out = append(out, account)
	}
	return out
}

// own checks that what arrived under account speaks about its own member.
func (d *directory) own(account, member string) error {
	if name, ok := d.memberOf(account); !ok || name != member {
		return messaging.Errorf(messaging.Denied, "account %s speaks about member %q, which is not its own", account, member)
	}
	return nil
}

// admit reports whether the report is newer than every earlier one of its
// record, and remembers it then.
func (d *directory) admit(record string, o order) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, known := d.newest[record]
	if known && (o.incarnation < last.incarnation || o.incarnation == last.incarnation && o.sequence <= last.sequence) {
		return false
	}
	d.newest[record] = o
	return true
}
