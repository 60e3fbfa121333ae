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
// there are so many nodes that the member would do little else. Beside containerd nodes,
// whose end is to be noticed within 12 s, up to 100 simulated ones keep that pace.
func beatsOf(n config.Nodes) beats {
	containerdNodes, simulatedNodes := n.Numbers()
	slow := time.Duration(simulatedNodes) * time.Second / renewals
	if containerdNodes > 0 {
		renew := max(4*time.Second, slow)
		return beats{renew: renew, grace: 3 * renew}
	}
	renew := max(10*time.Second, slow)
	return beats{renew: renew, grace: 5 * renew}
}
