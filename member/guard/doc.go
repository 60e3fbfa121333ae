// Package guard is the agent's core: it decides which works may run in this
// member, and what may be taken away from it. It is pure.
//
// The guard trusts the hub only as far as an order is not older than one it has
// seen, and deletes nothing from a view that may be stale. Its laws, checked by
// Check:
//
//  1. An order with an epoch below the highest one seen of its workload changes
//     nothing; nor does an older version of an order of the same epoch.
//  2. The state is persisted before an order is carried out, so that a restart
//     remembers every epoch and everything that may run; and the order itself is
//     stored before it is acknowledged, so that a restart needs no hub to go on.
//  3. No order removes or changes what runs before the hub has answered the hello
//     of this incarnation, and while the hub is not heard. What is found missing or
//     changed meanwhile is brought back to the last order that was obeyed, so far
//     as that takes nothing away.
//  4. That a record is gone is no order.
//  5. After a removal under epoch e only an order above e lands, or one of a
//     later life of the workload (a record revision above the removed one's).
//  6. An at-most-one workload is started only under a lease that holds, and is
//     told to stop before that lease ends on this member's clock. After a
//     restart the lease is the one that was kept, where the clock that it counts by
//     goes on; else there is none. A grant that was asked for before the hub was told
//     that the workload does not run here is none.
//
// What is stored is the last order of each workload that was obeyed, and a newer one
// that waits. The guard says in its hello up to which revision it holds all that it has
// acknowledged, so that after days without the hub only what changed meanwhile comes,
// the latest of each workload.
//
// A member whose hub puts it under a drill's fault mask goes on as it is: the
// guard holds every order back until the mask is lifted or runs out.
package guard
