package decision

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

func secretFor(k federation.Key) federation.Object {
	raw := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"namespace":%q,"name":%q},"stringData":{"password":"x"}}`, k.Namespace, k.Name)
	return federation.Object{APIVersion: "v1", Kind: "Secret", Namespace: k.Namespace, Name: k.Name, Raw: json.RawMessage(raw)}
}

// sealedTo says to what a work's Secrets are sealed.
func sealedTo(e PutWork) string {
	if e.SealKey == "" {
		return ""
	}
	return ", sealed to " + e.SealKey
}

// cmdSeal: the agent of a member offers a key.
func (r *rig) cmdSeal(args []string) {
	r.asked++
	r.step(SealKeyOffered{r.asked, federation.SealOffer{Member: args[0], Key: args[1]}})
}

// cmdRejoin: a member that lost its agent's state joins again with a new key, or with none.
func (r *rig) cmdRejoin(args []string) {
	spec := r.store["members:"+args[0]].value.(federation.MemberSpec)
	spec.SealKey, spec.JoinedAt = strings.Join(args[1:], ""), r.now
	r.step(MemberChanged{spec, r.put("members:"+args[0], spec)})
}

// unreadable is a record that no hub can read.
type unreadable string

// cmdSpoil makes the record of a workload unreadable.
func (r *rig) cmdSpoil(args []string) {
	r.put("workloads:"+args[0], unreadable("no key"))
	r.step(r.loaded("workloads:" + args[0]))
}

// showKeys tells the keys of each member's record.
func (r *rig) showKeys() {
	for _, name := range sortedNames(r.m.members) {
		s := r.m.members[name].spec.stored
		r.logf("%s has key %q, its works are sealed to %q", name, s.SealKey, s.SealedTo)
	}
}
