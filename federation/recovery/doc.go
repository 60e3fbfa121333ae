// Package recovery decides about recovery verbs: whether automation may act now
// (the brake), whether an operation may start (the guardrails), how an operation
// goes from state to state, and what its report says. It is pure.
//
// An operation is one-shot: what was asked never changes, and once it has ended
// nothing of it does. Live failovers, drills and operators' verbs are the same
// machine with other triggers:
//
//	Draft → Simulated → Gated ─┬→ AwaitingApproval ─┐
//	                           ├→ Refused           │
//	                           └→ Running ◀─────────┘
//	Running ⇄ Paused (the brake)
//	Running → Verifying → Held → Restoring → Completed
//	Running, Verifying, Held → Aborting → RollingBack → RolledBack   (drills)
//	Running → Verifying → Completed                                  (live failover)
//
// What an operation asks of the federation follows from its state alone (Wants),
// so a hub that takes over in its middle needs the record and nothing else.
//
// The levels of a drill:
//
//	L3   traffic leaves the scope, workloads stay
//	L4   traffic and workloads leave the scope gracefully, and come back
//	L5a  the scope is silent for a second detector only; what would be decided is
//	     compared with the simulation and not carried out
//	L5b  the hub and every observer take the scope for silent; everything else is
//	     as in a real loss, except that the scope keeps running
//
// Laws, checked by check:
//
//  1. An ended operation asks for nothing and never changes.
//  2. No mask is asked for in Restoring, RollingBack or any ended state once the
//     assignments of before are stored again.
//  3. Every phase of a drill has a budget; over it, the drill fails and restores.
//  4. A real fault ends a drill: its verdict is INCONCLUSIVE, never PASS.
//  5. Marks never go back in time from T0 to T9.
package recovery
