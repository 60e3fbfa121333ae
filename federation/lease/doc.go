// Package lease decides by time who may act: which hub leads, and which member
// may run an at-most-one workload.
//
// Both are leases: a right that ends by itself unless it is renewed. Nobody
// compares clocks. Who holds one counts from when it SENT the request that was
// granted, who gives one from when it ANSWERED, which is later; each by its own
// monotonic clock. So the holder has stopped before the giver can give it to
// another, whatever the delays, as long as the clocks run equally fast within one
// part in a hundred (drift).
//
// Words:
//
//	term    of a leadership: the revision of the write that won it, so it grows, plus
//	        a generation that grows when the store was put back to an older copy
//	claim   one member wants to run one workload under one epoch
//	grant   the hub's answer: for so long it may
//	proof   the holder said that it has stopped, so nobody has to wait
//	peers   the members that a holder asks while no hub answers
//	attest  say that one has not heard a hub either, and has no order to run it
//
// A hub that is gone must not stop everything that runs once. So a holder goes on while
// all of its peers attest: each does so only when it has heard no hub for SilentFor. The
// hub in turn lets another member run the workload only when one of the peers has been in
// Contact for so long that nothing that it attested holds any more. All, not most, as in
// the failsafe mode of Patroni: the one that is missing may be the next holder.
//
// Leader promises that a hub leads only while its lease holds by its own clock,
// and that terms grow. Grants and Hold promise that no two members run a workload
// at once, given that a pod needs at most StopTime to stop. What is given is not written
// down: a new giver waits as if it had just answered (Assume). A new holder holds what
// its last life wrote down, if it still counts by the same clock (Resumed), else nothing.
//
// Nothing here blocks or reads a clock. Methods must not be called concurrently.
package lease
