// Package membership judges from evidence who is healthy, suspect, unreachable,
// fenced, or on its way back.
//
// The ideas are those of SWIM (a silent member is suspected, and asked about from
// elsewhere), phi accrual (what silence means depends on the rhythm heard so far),
// Lifeguard (who is slow itself does not accuse others) and Rapid (members that
// fall together are judged together).
//
// Words:
//
//	silence   time since the last beat that counts, less what the hub slept itself
//	inquiry   the questions to other observers while a member is silent
//	vantage   who looks at a member's API server, agent and ingress: "hub", or another
//	          member
//	ingress   where a member's users reach it, if its agent announces such a place;
//	          other members look at it all the time (Looks)
//	name      the row of the truth table: Healthy, BusLost, APIDown, IngressDown,
//	          MgmtLost, Degraded, Unreachable, PathFault, CommandLost, HubIsolated
//	opinion   what another hub, which does not lead, hears of the members itself
//	mask      a drill makes the machine see a member as silent; what really
//	          arrives is recorded underneath
//
// The table (beat, API off the bus, ingress as peers see it; – is not seen):
//
//	1 1 1  Healthy      1 0 1  APIDown      0 1 1  BusLost     0 0 1  MgmtLost
//	1 1 0  IngressDown  1 0 0  Degraded     0 1 0  Degraded    0 0 0  Unreachable
//	0 0 0 seen by the hub alone: PathFault     1 – – but deaf to the hub: CommandLost
//	0 0 0, but half of the hubs hear it, or more: HubIsolated
//
// An agent that answers at its own port, off the bus, stands for the API server where
// that cannot be looked at; where that does not answer, the row is MgmtLost. One that does
// not answer is no sign of a dead cluster: it is told, and votes for nothing.
//
// States (every edge is in MayFollow):
//
//	Joining ──▶ Healthy ⇄ Suspect ──▶ Unreachable ──▶ Fenced
//	               ⇅        ⇅             │             │
//	              Degraded ─┘             ▼             ▼
//	Healthy ◀── Reconciling ◀── Quarantined ◀── Returning
//
// It promises: (1) no edge from Unreachable to Healthy. (2) No verdict
// Unreachable without a second observer who agrees, unless nobody else could be
// asked for Options.Lone; a goodbye needs none. (3) A beat counts once, whatever
// path it took, and an old one never. (4) Only the machine's own arrival times
// count, never a remote clock. (5) A hub that was late itself accuses nobody.
// (6) Evidence that a site cannot give votes neither way; it lengthens the dwell
// (Transition.DwellFactor) and is named.
//
// It does not decide what moves, whether automation may act, or what a returning
// member may run: package decision does, and says how a return goes on with
// ReturnStep. Methods must not be called concurrently; nothing blocks. Step has
// to be called at the Deadline: being called late is taken as a stall of the hub.
// After a restart Restored brings the states back and silence counts from then.
package membership
