// Package gateway is the shell of a gateway: it follows the records of the bus
// and the hub's beats, keeps one immutable route.Table of them, and runs the
// front ends that answer from it. Any number of gateways may run; none holds
// state that the bus does not have.
//
// A table is swapped whole, at once after a change and at most every 5 ms; a
// withdrawal in a hub beat goes the same way and needs no store. Readers load
// the pointer once for each query.
//
// Desired state is written by compare-and-set on the record's revision; what is
// already as wanted is not written. Everything that must be decided is asked of
// the hub.
//
// Secrets are sealed to the hub before they are written (package federation/sealed):
// a gateway has them while it applies them, and cannot read what lies in the store.
//
// When the bus is away the last table stays, its answers say "stale", and writes
// fail. Before every bucket was read the gateway refuses queries rather than
// answering from half a picture.
package gateway
