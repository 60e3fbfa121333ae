// Package hub is the shell around package decision: it follows the records of
// the bus, takes beats and requests, feeds them as events to one decision.Machine
// and carries out the effects that the machine returns, in order.
//
// One goroutine owns the machine; everything else sends to its mailbox:
//
//	followers, beats, requests, probes, finished writes ──▶ mailbox ──▶ machine
//	                                                                      │ effects
//	writers (one per bucket), probers, beats, replies   ◀─────────────────┘
//
// A hub decides while it holds the lease in bucket "leases" and no longer: Run
// enters lead with a new machine and term each time it wins the lease, and leaves
// it, and with it every goroutine it started, when the lease ends. Nothing is
// decided before every bucket was read.
//
// Join requests and tokens are handled beside the machine (joins, tokens): they
// decide nothing about workloads, and their records are read like all others.
//
// Secrets are opened where records of workloads are read, and sealed to each member's
// key where works are written (package federation/sealed); the machine between knows
// them, the store does not.
//
// When the bus is away writes fail as Lost, and the machine reads before it
// decides again. When a follower must start over (its bucket was made anew) the
// hub gives up its term and begins a new one from what the store then says.
package hub
