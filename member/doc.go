// Package member is the agent: the side of Hansa that lives in, or beside, one
// member cluster.
//
// It joins with a one-time token, beats four times a second, reports capacity,
// exports and the status of works, lands what the hub orders, and says hello to
// every new hub leader with what runs here. What it may run and what it may
// delete is decided by the pure package member/guard; the agent is the loop that
// feeds it and obeys.
//
// Secrets come sealed to a key of this agent (package federation/sealed) and are
// opened when they are landed; on the agent's disk is the key and no secret. A work
// that cannot be opened is reported as Failed, and nothing of it is landed.
//
// What it promises:
//
//  1. The number of this life (incarnation) is on disk before the first beat.
//  2. An order is acknowledged to the bus when the guard's state that knows it is
//     on disk; it is carried out after that.
//  3. Reports are whole states under a sequence number, the latest wins: what is
//     late, lost or doubled costs time and not truth.
//  4. While the bus or the hub is away, what runs goes on running, and nothing
//     is deleted.
//
// An Agent is used once: New, then Run, which blocks until everything that it
// started has stopped. Ending its context is the planned stop: the last beat says
// goodbye.
package member
