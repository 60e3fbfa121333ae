// Package member is the agent: the side of Hansa that lives in, or beside, one
// member cluster.
//
// It joins with a one-time token, beats four times a second, reports capacity, exports and
// the status of works, lands what the hub orders, keeps what the cluster imports (package
// imports), says hello to every new hub leader with what runs here, and answers beside the
// bus at a port of its own (package peer). What it may run and what it may delete is
// decided by the pure package member/guard; the agent is the loop that feeds it and obeys.
//
// It looks at the ingress of those members that the hub names with its beats, once a
// second, and its own beats say what it saw last; so nothing waits, and nothing queues.
//
// Secrets come sealed to a key of this agent (package federation/sealed) and are
// opened when they are landed; on the agent's disk is the key and no secret. A work
// that cannot be opened is reported as Failed, and nothing of it is landed.
//
// What it promises:
//
//  1. The number of this life (incarnation) is on disk before the first beat.
//  2. An order is acknowledged to the bus when it is on disk, as it came (package
//     store), and so is the guard's state that knows it; it is carried out after that.
//  3. Reports are whole states under a sequence number, the latest wins: what is
//     late, lost or doubled costs time and not truth.
//  4. While the bus or the hub is away, what runs goes on running, and nothing
//     is deleted. That holds for an agent that starts meanwhile: it goes on from its
//     own store, brings back what somebody deletes or changes in the cluster, so far as
//     that takes nothing away, and tries to reach the bus for ever.
//  5. When the bus is back, only what changed meanwhile comes, the last version of each
//     work; nothing is applied twice.
//
// No queue grows while nobody takes from it:
//
//	queue                               holds at most                        beyond that
//	orders on the bus                   the last version of each work        older ones are gone
//	orders read from the bus            256 with the guard, and what the     the bus keeps them
//	                                    client has asked for: 1,000 together
//	inbox of the guard                  those orders, one beat of the hub,   the newest counts
//	                                    each workload that drifted once,
//	                                    answers to what the guard asked
//	orders of the lander                one under way and one that waits     the newest counts
//	                                    for each workload
//	inventories to be written           one for each workload                the newest counts
//	statuses to be computed             each workload once                   are one
//	reports to the hub                  one for each thing that is here, or  the newest counts
//	                                    is gone and the hub may not know it
//	… under way                         8                                    wait
//	hellos, renewals under way          those of 5 s: one a second, one for  end after 5 s
//	                                    each lease in 3 s
//	imports to be written               what differs, looked at once in     are one
//	                                    500 ms; 4 are under way
//	looks at other members              32                                   the hub asks again
//	connections to its own port         128, of 15 s at most                 are turned away
//	events of the cluster's caches      one for each object that changed;    –
//	                                    they are taken in without waiting
//	messages of one subscription        65,536 and 64 MiB; taken in likewise are dropped, and logged
//	beats                               none: what cannot be sent is lost    the next one follows
//
// An Agent is used once: New, then Run, which blocks until everything that it
// started has stopped. Ending its context is the planned stop: the last beat says
// goodbye.
package member
