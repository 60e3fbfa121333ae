// Package decision is the hub's whole core: who runs what, who is lost, what
// moves, and what an operation does about it. It composes membership (who is
// healthy), placement (where a workload fits), recovery (whether and how to act)
// and lease (who may run what must run once). It is pure: one Machine lives as
// long as one leadership of the hub, is fed events and returns effects.
//
// It works by levels, not by edges. Each Step compares what should be with what
// is known to be: the stored assignment with what the workload needs, what a
// member was handed with what the assignment gives it, the stored verdict with
// the present one. So a lost, double or late event costs time and not truth, and
// a hub that takes over needs the records and nothing else.
//
// The path of a decision: a workload is marked, decided with all others that are
// marked (placement.PlaceAll), written with the revision it was read at
// (PutAssignment), and only when that is durable are works handed out (PutWork).
// A conflict, or a write whose outcome is not known, leads to reading the record
// and deciding again.
//
// Epochs: one counter for each workload, in its assignment. It grows by one when
// the set of members changes, when the workload is deleted, and when a member
// shows an epoch, or an order, that this store has not given: it was put back to an
// older copy. It does not when only shares or the version of the workload change. A
// share's Since is the epoch with which its member entered.
//
// A move by choice is made before it is broken: what shrinks or leaves does so
// once everything that grew stands ready. Workloads that must run at most once
// are the exception: they leave first, and start elsewhere under a lease.
//
// While no hub answers, a member goes on with what it runs once by the word of its peers,
// which its record names. So a lease that has run out here may hold there still, until one
// of them was in contact with this hub for as long as their word counts (lease.Contact).
//
// Whoever had a share may have an order that it has not read, so the assignment names it
// as a stray until it has proven that nothing is left, whichever hub leads. That of a
// workload that was deleted stays until then.
//
// Laws, checked by Check:
//
//  1. Nothing is decided, written or beaten before every source was synced.
//  2. At most one write or read of a record is under way.
//  3. A member is handed no epoch above that of the stored assignment.
//  4. The shares of an assignment are sorted, each member once, none with a Since
//     above the epoch.
//  5. The stored epoch of a workload never goes back while it exists.
//  6. A share in a lost member moves only after its dwell and with the brake's
//     leave, or with a person's.
//  7. At most one operation masks a member, and only while its record says so.
//  8. What was found of a workload when all its members were looked at still holds while
//     only some are, of which there is news.
package decision
