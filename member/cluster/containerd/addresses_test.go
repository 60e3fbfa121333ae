package containerd

import (
	"testing"

	"github.com/hansa-io/hansa/member/cluster/config"
)

func TestPlan(t *testing.T) {
	p, err := newPlan(config.Config{PodCIDR: "10.160.0.0/16", ServiceCIDR: "10.96.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ what, got, want string }{
		{"gateway", p.ranges().Gateway.String(), "10.160.0.1/16"},
		{"services", p.ranges().Service.String(), "10.96.0.0/16"},
		{"first node", p.node(0).String(), "10.160.0.2/16"},
		{"pods of the first node", p.podsOf(0).String(), "10.160.1.0/24"},
		{"last node", p.node(config.MaxContainerdNodes - 1).String(), "10.160.0.101/16"},
		{"pods of the last node", p.podsOf(config.MaxContainerdNodes - 1).String(), "10.160.100.0/24"},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %s, want %s", row.what, row.got, row.want)
		}
	}
	for i := range config.MaxContainerdNodes {
		if p.podsOf(i).Contains(p.node(0).Addr()) || !p.pods.Overlaps(p.podsOf(i)) {
			t.Errorf("pods of node %d: %s", i, p.podsOf(i))
		}
	}
}
