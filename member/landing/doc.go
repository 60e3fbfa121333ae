// Package landing brings a cluster to what a work says, and back.
//
// A work lands in an order that lets each object find what it needs: namespaces
// and CustomResourceDefinitions first (and until they are served), then
// configuration, then services, then what runs, webhooks last; it goes in the
// reverse order. What is new is created, what is there is changed by server-side
// apply, both with the field manager "hansa"; objects carry the label
// hansa.io/managed and, in annotations, the workload and the epoch.
//
// For every work there is an inventory that lists what the work has here: a field of
// one of the ConfigMaps inventories-NN in the namespace hansa-system. Before the first
// object is written the inventory goes into a journal, a ring of ConfigMaps beside them
// of which one write takes what some hundred works have; so a crash at any moment forgets
// nothing, and a thousand works need a few writes more than their objects do. The
// ConfigMaps inventories-NN are brought up to date seconds later.
//
// What it promises:
//
//  1. Only objects that Hansa made for this workload, under an epoch not above
//     the order's, are ever changed, pruned or removed. What others made stays,
//     unless the work's takeover says otherwise; what was taken over is released, not
//     deleted.
//  2. CustomResourceDefinitions are never removed, and one serves every workload that
//     brings the same; namespaces are removed only when nothing of anybody is left in them.
//  3. A removal is reported done when every object is gone, and with foreground
//     deletion that means every pod too.
//  4. A newer order of a workload supersedes an older one at once, also one that
//     waits or is being retried.
//  5. An order that was carried out before, by this life of the agent or an earlier
//     one, writes only what has changed since: nothing, if nothing has.
//  6. An object that is refused keeps no other from landing, but for webhooks; nothing
//     is pruned before everything has landed. What nobody can change is made anew only
//     if the work asks for it.
//  7. What others change is put right, or reported, field by field with who did it;
//     fields that the work does not mention are theirs, and so are the replicas of what a
//     HorizontalPodAutoscaler of the cluster targets.
//  8. What the cluster fills in or takes away by itself is left to it: what an
//     API server notes about an object, the rules of an aggregated ClusterRole, and a Job
//     that has ended and has ttlSecondsAfterFinished.
//  9. A careful order takes nothing away: it prunes nothing, and what has more
//     replicas than it says stays as it is.
//
// It decides nothing about whether a work may run here; see member/guard.
//
// A Lander is safe for concurrent use. While the API server is away it retries,
// with waits that double from 100 ms to 10 s.
package landing
