package decision

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/hansa-io/hansa/federation"
)

// conditions are those of the overrides that a workload may have, each of which changes
// the image.
var conditions = map[string]string{
	"gold": `member.?labels[?"tier"].orValue("") == "gold"`,
	"many": `member.nodes > 2`,
}

// overriding is an override that changes the image where a condition holds.
func overriding(condition, image string) federation.Override {
	return federation.Override{When: conditions[condition], Images: []federation.ImageOverride{{Container: "c", Image: image}}}
}

// cmdNodes: the member reports that it has so many nodes.
func (r *rig) cmdNodes(args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	r.ok(err)
	facts, _ := r.store["facts:"+args[0]].value.(federation.MemberFacts)
	facts.Nodes = n
	r.put("facts:"+args[0], facts)
	r.facts(r.members[args[0]])
}

var overridden = regexp.MustCompile(`"image":"([^"]{2,})"`)

// withImage says which image an override has put into a work.
func withImage(e PutWork) string {
	for _, o := range e.Work.Objects {
		if found := overridden.FindSubmatch(o.Raw); found != nil {
			return fmt.Sprintf(", image %s", found[1])
		}
	}
	return ""
}
