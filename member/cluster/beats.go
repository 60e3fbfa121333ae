package cluster

import (
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// beats say how often the lease of a simulated node is renewed, and after how long
// without a renewal the controller manager takes a node for dead.
type beats struct {
	renew, grace time.Duration
}

// renewals is how many leases of simulated nodes are renewed in a second at most.
// Each costs two milliseconds of a core, and tells nothing: these nodes die with the
// member.
const renewals = 25

// beatsOf follows Kubernetes, where a kubelet renews every 10 s and has 50 s, until
// there are so many nodes that they would do little else.
func beatsOf(n config.Nodes) beats {
	renew := max(10*time.Second, time.Duration(n.Count)*time.Second/renewals)
	return beats{renew: renew, grace: 5 * renew}
}
