// Package placement decides in which members a workload runs, and says why.
//
// One pure function, Place(Request, *Snapshot) Decision: no clock, no I/O, no
// chance. What-if (Simulate) and the readiness score (Readiness) are the same
// function on a changed world. Equal inputs give equal decisions, in whatever
// order they are listed; Decision.InputsHash names them for a replay.
//
// A decision is made in five steps:
//
//  1. Filters refuse members (file filter.go lists them in order). Those that
//     evict refuse running replicas too; the others are ignored during
//     execution. Resource fit counts node by node, not by the sum.
//  2. Groups, in order: with overflow a group spills into the next one, without
//     it the next one is an alternative.
//  3. Spread constraints choose domains: those in use first, then by score, as
//     many as max allows and as hold the workload within maxSkew.
//  4. Division by Sainte-Laguë (Webster): each next replica goes to the largest
//     weight/(2n+1) that fits and that the hard constraints allow. The weight is
//     the room (Capacity), the static weight, or the share of users (Demand, and
//     Capacity while no users are known);
//     Aggregated fills as few members as hold it. Ties go to the higher score,
//     then to rendezvous hashing of workload and member.
//  5. What found no place is Unmet, with the constraint that binds and, when
//     explained, the nearest relaxation that would do.
//
// Scores, 0 to 100, combine as a weighted mean; Placement.Scores changes the
// default weights in parentheses, other names are external scores:
//
//	latency   (3 with users) 100 at 0 ms, 0 at 300 ms: round trip to the users by share
//	affinity  (1 with preferred terms) matched weights by all weights
//	taint     (1) halved, … by PreferNoSchedule taints that are not tolerated
//	balance   (1) free share of what the member has least of
//	headroom  (1) the part of the workload that fits there
//	stay      (5) 100 where the workload runs
//	others    (0) World.External: 100 for the lowest figure of all members, 0 for the highest, 50 without one
//
// Laws:
//
//  1. A member never gets more replicas than run there plus what fits beside
//     them, nor more than replicas.max.
//  2. Replicas that run stay, unless a filter evicts them, a max is lowered, the
//     workload shrinks, or the request rebalances, or wants to be Whole and can be
//     only so. So a spread that has become
//     possible again moves nothing by itself: failback is planned. New replicas
//     go where they mend it.
//  3. maxSkew compares the chosen domains: no replica is added to one that would
//     then have more than maxSkew above the least.
//  4. A hard rule that cannot be kept leaves everything unmet but what runs.
//     Room that is short leaves only the rest unmet. To fail over comes before
//     failover.survive, and before maxLatency to every place of users.
//  5. Deciding again in a world that shows the decision changes nothing.
//
// Workloads without a replica count are duplicated to every member that passes,
// as far as max allows, with 0 replicas. AtMostOne means one member. A pod
// without requests takes one pod slot. affinity is asked of the workload that
// states it only, and of one that is placed nowhere it asks nothing.
//
// A Snapshot may be used by many goroutines, a Planner by one at a time.
package placement
