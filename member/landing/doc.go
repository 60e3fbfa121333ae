// Package landing brings a cluster to what a work says, and back.
//
// A work lands in an order that lets each object find what it needs: namespaces
// and CustomResourceDefinitions first (and until they are served), then
// configuration, then services, then what runs, webhooks last; it goes in the
// reverse order. Objects are written by server-side apply with the field manager
// "hansa", carry the label hansa.io/managed and, in annotations, the workload and
// the epoch.
//
// For every work there is an inventory: a ConfigMap in the namespace hansa-system
// that lists what the work has here. It is written before the first object and
// after the last one, so a crash at any moment forgets nothing.
//
// What it promises:
//
//  1. Only objects that Hansa made for this workload, under an epoch not above
//     the order's, are ever changed, pruned or removed. What others made stays,
//     unless the work's takeover says otherwise.
//  2. CustomResourceDefinitions are never removed, namespaces only when nothing
//     of anybody is left in them.
//  3. A removal is reported done when every object is gone, and with foreground
//     deletion that means every pod too.
//  4. A newer order of a workload supersedes an older one at once, also one that
//     waits or is being retried.
//
// It decides nothing about whether a work may run here; see member/guard.
//
// A Lander is safe for concurrent use. While the API server is away it retries,
// with waits that double from 100 ms to 10 s.
package landing
