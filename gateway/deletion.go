package gateway

import (
	"fmt"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// mostUnasked is how many objects one request may take away without being confirmed. A
// namespace always has to be.
const mostUnasked = 20

// guardDeletion refuses a request that takes much away and was not confirmed: an empty
// folder, or the wrong one, must not empty a federation. now are the workloads as they
// are to be, gone those that are to be removed.
func (g *Gateway) guardDeletion(now []federation.Workload, gone []federation.Key, confirmed bool) error {
	if confirmed {
		return nil
	}
	lost, namespaces := losses(g.Table().Workloads, now, gone)
	if lost <= mostUnasked && len(namespaces) == 0 {
		return nil
	}
	what := fmt.Sprintf("%d objects", lost)
	if lost == 1 {
		what = "1 object"
	}
	if len(namespaces) > 0 {
		what += ", among them namespace " + strings.Join(namespaces, ", ")
	}
	return messaging.Errorf(messaging.Refused, "this takes %s away; more than %d, or a namespace, have to be confirmed: look with --dry-run, then give --yes (\"confirmed\" in the API); nothing was done",
		what, mostUnasked)
}

// losses counts the objects that no workload would have any more, and names the
// namespaces among them.
func losses(stored map[federation.Key]federation.Workload, now []federation.Workload, gone []federation.Key) (lost int, namespaces []string) {
	replaced := map[federation.Key]bool{}
	kept := map[string]bool{}
	for _, w := range now {
		replaced[w.Key] = true
		keepIDs(kept, w)
	}
	for _, k := range gone {
		replaced[k] = true
	}
	for k, w := range stored {
		if !replaced[k] {
			keepIDs(kept, w)
		}
	}
	for k := range replaced {
		for _, o := range stored[k].Objects {
			if kept[o.ID()] {
				continue
			}
			kept[o.ID()] = true // counted
			lost++
			if o.Kind == "Namespace" {
				namespaces = append(namespaces, o.Name)
			}
		}
	}
	return lost, namespaces
}

func keepIDs(ids map[string]bool, w federation.Workload) {
	for _, o := range w.Objects {
		ids[o.ID()] = true
	}
}
